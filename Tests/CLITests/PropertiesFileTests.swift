import OrderedCollections
import Testing

@testable import SluiceCLI

/// The format is that of `java.util.Properties.load`; the expectations follow its documentation.
@Suite struct PropertiesFileTests {
    @Test(arguments: [
        ("a=b", ["a": "b"]),
        ("a = b c ", ["a": "b c "]),
        ("a: b", ["a": "b"]),
        ("a b", ["a": "b"]),
        ("a", ["a": ""]),
        ("a==b", ["a": "=b"]),
        ("  # comment\n! comment\n\n a=b", ["a": "b"]),
        ("a=b\\\n    c", ["a": "bc"]),
        ("a=b\\\\\nc=d", ["a": "b\\", "c": "d"]),
        ("a\\=b=c", ["a=b": "c"]),
        ("a=\\u00e9\\t.", ["a": "é\t."]),
        ("a=b\r\nc=d\r\n", ["a": "b", "c": "d"]),
        ("a=1\na=2", ["a": "2"]),
        ("path=\\D:\\\\Work", ["path": "D:\\Work"]),
    ])
    func parses(text: String, expected: [String: String]) throws {
        let properties = try #require(PropertiesFile.parse(text))
        #expect(Dictionary(uniqueKeysWithValues: properties.map { ($0.key, $0.value) }) == expected)
    }

    @Test func keepsTheOrderOfLines() {
        #expect(PropertiesFile.parse("b=1\na=2\nc=3")?.keys == ["b", "a", "c"])
    }

    @Test func refusesBrokenEscapes() {
        #expect(PropertiesFile.parse("a=\\u12") == nil)
        #expect(PropertiesFile.parse("a=\\u12xz") == nil)
    }

    @Test func namesTheFileThatIsMissing() {
        #expect { try PropertiesFile.read(path: "/no/such/file.properties") } throws: { error in
            (error as? CommandFailure)?.message == "cannot read /no/such/file.properties: no such file or directory"
        }
    }
}
