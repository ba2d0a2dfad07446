import Foundation
import Testing

/// Three workers as processes, ten connectors of forty tasks, accidents. `make chaos` plays five minutes of it.
@Suite(.serialized, .enabled(if: Command.path(of: "kcat") != nil, "needs kcat"))
struct WorkerGroupChaosTests {
    @Test(arguments: [("exactly-once", "kill,stop,pause,freeze"), ("at-least-once", "kill,stop,pause,broker")])
    func everyTaskRunsOnceAndNothingIsLost(_ delivery: String, _ kinds: String) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Support/connect_chaos.py").path
        let result = try Command.run("python3", [script, Command.sluice, "4", "7", delivery, kinds])
        #expect(result.status == 0, "\(result.output)\n\(result.errors)")
    }
}
