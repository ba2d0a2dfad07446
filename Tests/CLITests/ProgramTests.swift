import Logging
import Testing

@testable import SluiceCLI

@Suite struct ProgramTests {
    @Test(arguments: [
        (["/opt/kafka/bin/kafka-topics.sh", "--list"], ["topics", "--list"]),
        (["kafka-console-consumer", "--topic", "t"], ["console-consumer", "--topic", "t"]),
        (["bin\\windows/connect-distributed.bat", "w.properties"], ["connect-distributed", "w.properties"]),
        (["/usr/bin/sluice", "topics", "--list"], ["topics", "--list"]),
    ])
    func scriptsOfKafka(commandLine: [String], arguments: [String]) {
        #expect(Invocation.arguments(from: commandLine) == arguments)
    }

    @Test func logLinesAreReadableAndSafe() {
        let line = StandardErrorLogHandler.line(
            label: "broker", level: .warning, message: "Batch refused",
            metadata: ["topic": "users", "reason": "two words", "text": "a\nb\"c", "empty": ""])
        let expected = #"WARN  [broker] Batch refused  empty="" reason="two words" text="a\nb\"c" topic=users"#
        #expect(line.hasSuffix(expected))
        #expect(line.prefix(while: { $0 != "W" }).count == "2026-08-01 20:04:17.123 ".count)
    }
}
