import Foundation
import Testing

/// Unmodified librdkafka consumers share a group on the real process.
@Suite(.serialized, .enabled(if: Command.hasPythonModule("confluent_kafka"), "needs confluent-kafka"))
struct GroupTests {
    @Test func twoConsumersShareSixPartitionsAndOneTakesOver() throws {
        let sluice = try SluiceProcess()
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Support/group.py").path
        let first = try Command.run("python3", [script, "share", sluice.bootstrapServers])
        #expect(first.status == 0, "\(first.output)\n\(first.errors)")
        // Committed offsets survive a restart of the broker, clean or not.
        sluice.kill()
        try sluice.start()
        let second = try Command.run("python3", [script, "resume", sluice.bootstrapServers])
        #expect(second.status == 0, "\(second.output)\n\(second.errors)")
    }
}
