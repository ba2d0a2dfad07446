import Foundation
import Testing

/// Three workers as processes, ten connectors of forty tasks, accidents, exactly once. `make chaos` plays five minutes
/// of it, and freezes processes for longer than a session as well.
@Suite(.serialized, .enabled(if: Command.path(of: "kcat") != nil, "needs kcat"))
struct WorkerGroupChaosTests {
    @Test func everyTaskRunsOnceAndNothingComesTwice() throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "Support/connect_chaos.py").path
        let result = try Command.run(
            "python3", [script, Command.sluice, "4", "7", "exactly-once", "kill,stop,pause,broker"])
        #expect(result.status == 0, "\(result.output)\n\(result.errors)")
    }
}
