import KafkaProtocol
import NIOCore
import Testing

@testable import SluiceCLI

/// Expectations follow Kafka's `LineMessageReader` and `DefaultMessageFormatter`.
@Suite struct ConsoleTests {
    private func buffer(_ text: String) -> ByteBuffer { ByteBuffer(string: text) }

    @Test func aLineIsAValue() throws {
        let line = try LineParser().parse(buffer("k\tv"), number: 1)
        #expect(line == LineParser.Line(key: nil, value: buffer("k\tv")))
    }

    @Test func keyAndValue() throws {
        let parser = try LineParser(properties: ["parse.key": "true", "key.separator": "::"])
        #expect(try parser.parse(buffer("k:::v"), number: 1) == LineParser.Line(key: buffer("k"), value: buffer(":v")))
        #expect(try parser.parse(buffer("::"), number: 1) == LineParser.Line(key: buffer(""), value: buffer("")))
    }

    @Test func aLineWithoutSeparatorIsAnErrorUnlessIgnored() throws {
        #expect { try LineParser(properties: ["parse.key": "true"]).parse(buffer("kv"), number: 7) } throws: { error in
            (error as? CommandFailure)?.message == "line 7 has no key.separator (TAB): 'kv'"
        }
        let lenient = try LineParser(properties: ["parse.key": "true", "ignore.error": "true"])
        #expect(try lenient.parse(buffer("kv"), number: 1) == LineParser.Line(key: nil, value: buffer("kv")))
    }

    @Test func headersKeyAndNulls() throws {
        let parser = try LineParser(properties: [
            "parse.key": "true", "parse.headers": "true", "null.marker": "NULL",
        ])
        let line = try parser.parse(buffer("a:1,b:NULL\tNULL\tNULL"), number: 1)
        #expect(line.headers == [RecordHeader(key: "a", value: buffer("1")), RecordHeader(key: "b", value: nil)])
        #expect(line.key == nil)
        #expect(line.value == nil)
    }

    @Test func unknownPropertiesAreNamed() {
        #expect { try LineParser(properties: ["parse.keys": "true"]) } throws: { error in
            (error as? CommandFailure)?.status == .usage
        }
    }

    @Test func linesAcrossChunks() {
        var splitter = LineSplitter()
        #expect(splitter.lines(adding: buffer("on")) == [])
        #expect(splitter.lines(adding: buffer("e\r\ntwo\n\nthr")) == [buffer("one"), buffer("two"), buffer("")])
        #expect(splitter.finish() == buffer("thr"))
        #expect(splitter.finish() == nil)
    }

    @Test func everythingPrinted() throws {
        let formatter = try RecordFormatter(properties: [
            "print.timestamp": "true", "print.partition": "true", "print.offset": "true", "print.headers": "true",
            "print.key": "true",
        ])
        var output = ByteBuffer()
        formatter.append(
            Record(
                offset: 42, timestamp: 1_627_815_857_000, key: nil, value: buffer("v"),
                headers: [RecordHeader(key: "h", value: buffer("1")), RecordHeader(key: "n", value: nil)]),
            partition: 3, timestampType: .createTime, to: &output)
        #expect(String(buffer: output) == "CreateTime:1627815857000\tPartition:3\tOffset:42\th:1,n:null\tnull\tv\n")
    }

    @Test func onlyValuesByDefault() {
        var output = ByteBuffer()
        let record = Record(offset: 0, timestamp: 0, key: buffer("k"), value: buffer("v"))
        RecordFormatter().append(record, partition: 0, timestampType: .createTime, to: &output)
        #expect(String(buffer: output) == "v\n")
    }
}
