import Foundation
import Testing

/// Unmodified clients of Kafka Connect's REST interface.
@Suite(.enabled(if: Command.hasPythonModule("kafka_connect"), "needs kafka-connect-py"))
struct ConnectClientTests {
    @Test func kafkaConnectPy() throws {
        let sluice = try SluiceProcess()
        let folder = try TemporaryFolder()
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Compat/kafka-connect-py/everything.py").path
        let result = try Command.run("python3", [script, sluice.restURL, folder.path])
        #expect(result.status == 0, "\(result.output)\n\(result.errors)")
        #expect(sluice.stop() == 0)
    }
}
