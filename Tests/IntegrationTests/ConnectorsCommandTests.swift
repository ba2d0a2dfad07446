import Foundation
import Testing

/// `sluice connectors` against a worker: what a person sees, and what a script gets.
struct ConnectorsCommandTests {
    @Test func aConnectorsLifeFromTheCommandLine() throws {
        let sluice = try SluiceProcess()
        let folder = try TemporaryFolder()
        func connectors(_ arguments: String...) throws -> Command.Result {
            try Command.sluice(["connectors"] + arguments + ["--url", sluice.restURL])
        }
        func output(_ arguments: String...) throws -> String {
            let result = try Command.sluice(["connectors"] + arguments + ["--url", sluice.restURL])
            #expect(result.status == 0, "\(result.errors)")
            return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        }
        let file = folder.path + "/in.txt"
        try "one\ntwo\n".write(toFile: file, atomically: true, encoding: .utf8)
        let json = folder.path + "/source.json"
        try #"{"name":"in","config":{"connector.class":"FileStreamSource","topic":"t","file":"\#(file)"}}"#
            .write(toFile: json, atomically: true, encoding: .utf8)
        let properties = folder.path + "/sink.properties"
        try "name=out\nconnector.class=FileStreamSink\ntopics=t\nfile=\(folder.path)/out.txt\n"
            .write(toFile: properties, atomically: true, encoding: .utf8)
        #expect(try output("apply", json, properties) == "in created\nout created")
        #expect(try output("apply", json, properties) == "in unchanged\nout unchanged")
        #expect(try output("apply", json, "--json") == #"{"in":"unchanged"}"#)
        try "name=out\nconnector.class=FileStreamSink\ntopics=t,u\nfile=\(folder.path)/out.txt\n"
            .write(toFile: properties, atomically: true, encoding: .utf8)
        #expect(try output("apply", properties) == "out changed")
        try waitFor("the lines", timeout: 30) {
            try? String(contentsOfFile: folder.path + "/out.txt", encoding: .utf8) == "one\ntwo\n" ? true : nil
        }
        try waitFor("both to run", timeout: 30) {
            try output("list").split(separator: "\n").filter { $0.contains("RUNNING") && $0.contains("1 RUNNING") }
                .count
                == 2 ? true : nil
        }
        #expect(try output("status", "in").contains("task 0"))
        #expect(try output("offsets", "in").contains(#"{"position":8}"#))
        #expect(try output("pause", "in") == "in pauses")
        try waitFor("the pause", timeout: 30) { try output("status", "in").contains("PAUSED") ? true : nil }
        #expect(try output("restart", "out", "--tasks", "--only-failed") == "out restarts")
        #expect(try output("stop", "in") == "in stopped")
        #expect(try output("offsets", "in", "--reset").contains("reset successfully"))
        #expect(try output("offsets", "in", "--json") == #"{"offsets":[]}"#)
        #expect(try output("plugins", "--all").contains("org.apache.kafka.connect.json.JsonConverter"))
        #expect(try output("delete", "in", "out") == "in deleted\nout deleted")
        #expect(try output("list", "--json") == "{}")
        let missing = try connectors("status", "none")
        #expect(missing.status == 1)
        #expect(missing.errors.contains("none"))
        #expect(sluice.stop() == 0)
        #expect(try connectors("list").errors.contains("cannot be reached"))
    }
}
