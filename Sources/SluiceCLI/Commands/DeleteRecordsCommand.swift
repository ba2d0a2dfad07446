import ArgumentParser
import ConnectAPI
import KafkaClient
import Logging

/// `sluice delete-records`
struct DeleteRecordsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete-records",
        abstract: "Delete the records of partitions up to an offset.",
        discussion: """
            The file is Kafka's:
              {"partitions": [{"topic": "news", "partition": 0, "offset": 100}], "version": 1}
            Offset -1 stands for the partition's end.
            """)

    @OptionGroup var client: ClientOptions

    @Option(help: ArgumentHelp("The JSON file with partitions and offsets.", valueName: "file"))
    var offsetJsonFile: String

    @OptionGroup var log: LogOptions

    /// Reads Kafka's file.
    static func offsets(_ text: String, file: String) throws(CommandFailure) -> [TopicPartition: Int64] {
        let form = "{\"partitions\": [{\"topic\": \"news\", \"partition\": 0, \"offset\": 100}], \"version\": 1}"
        guard let json = try? JSONValue(parsing: text.utf8), let entries = json["partitions"]?.arrayValue else {
            throw CommandFailure("\(file) is not of the form \(form)", status: .usage)
        }
        var offsets: [TopicPartition: Int64] = [:]
        for entry in entries {
            guard let topic = entry["topic"]?.stringValue, let offset = entry["offset"]?.integerValue, offset >= -1,
                let partition = entry["partition"]?.integerValue.flatMap({ Int32(exactly: $0) })
            else { throw CommandFailure("\(file) has an entry that is not of the form \(form)", status: .usage) }
            let place = TopicPartition(topic: topic, partition: partition)
            guard offsets.updateValue(offset, forKey: place) == nil else {
                throw CommandFailure("\(file) names \(place) twice", status: .usage)
            }
        }
        guard !offsets.isEmpty else { throw CommandFailure("\(file) names no partition", status: .usage) }
        return offsets
    }

    func run() async throws {
        let offsets = try Self.offsets(try TextFile.contents(path: offsetJsonFile), file: offsetJsonFile)
        let admin = try KafkaAdminClient(
            configuration: client.adminConfiguration(), logger: log.logger("admin", default: .error))
        do {
            let results = try await admin.deleteRecords(before: offsets)
            Terminal.print("Executing records delete operation\nRecords delete operation completed:")
            var failed = 0
            for (partition, result) in results.sorted(by: {
                ($0.key.topic, $0.key.partition) < ($1.key.topic, $1.key.partition)
            }) {
                switch result {
                case .success(let offset): Terminal.print("partition: \(partition)\tlow_watermark: \(offset)")
                case .failure(let error):
                    failed += 1
                    Terminal.print("partition: \(partition)\terror: \(error)")
                }
            }
            if failed > 0 { throw CommandFailure("the records of \(failed) partitions could not be deleted") }
        } catch {
            await admin.close()
            throw error
        }
        await admin.close()
    }
}
