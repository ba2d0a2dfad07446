import Foundation
import Testing

/// The house rules that neither the compiler nor `swift format` holds (CONTRIBUTING.md gives their reasons).
@Suite struct TidyTests {
    /// A file that passes this fails the build; the soft limit of 400 lines is a reviewer's matter.
    static let hardLineLimit = 800

    /// Words that say when something was written, or nothing at all, instead of what it is.
    static let forbiddenWords: Set<String> = [
        "new", "old", "v1", "v2", "v3", "poc", "tmp", "temp", "final", "utils", "util", "helper", "helpers", "misc",
    ]

    @Test func filesAreShort() throws {
        for file in try SourceTree.swiftFiles(in: ["Sources", "Tests", "Tools"]) where !file.isGenerated {
            #expect(file.lines.count <= Self.hardLineLimit, "\(file.path) has \(file.lines.count) lines: split it")
        }
    }

    @Test func pathsSayWhatNotWhen() throws {
        for path in try SourceTree.trackedPaths(in: ["Sources", "Tests", "Tools", "Benchmarks", "docs", "scripts"]) {
            let bad = SourceTree.words(in: path).filter(Self.forbiddenWords.contains)
            #expect(bad.isEmpty, "\(path) holds the word \(bad)")
        }
    }

    @Test func publicSymbolsAreDocumented() throws {
        for file in try SourceTree.swiftFiles(in: ["Sources"]) {
            let lines = file.undocumentedPublicLines()
            #expect(lines.isEmpty, "\(file.path): public without a doc comment")
        }
    }

    /// Foundation costs start time and memory; the small parts that are needed are written on NIOCore and libc. The
    /// testing library and the services' JSON are in no binary of ours.
    @Test func productImportsNoFoundation() throws {
        let exempt = ["Sources/KafkaTesting/", "Sources/KafkaService/Messages/"]
        for file in try SourceTree.swiftFiles(in: ["Sources"]) where !exempt.contains(where: file.path.hasPrefix) {
            let imports = file.lines.filter { $0.contains("import Foundation") && !$0.hasPrefix("//") }
            #expect(imports.isEmpty, "\(file.path) imports Foundation")
        }
    }

    @Test func everyTargetIsInTheFileMap() throws {
        let map = try String(contentsOf: SourceTree.root.appending(path: "docs/architecture.md"), encoding: .utf8)
        func folders(in parent: String) throws -> [String] {
            let path = SourceTree.root.appending(path: parent).path
            return try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.contains(".") }
        }
        let sources = try folders(in: "Sources")
        let ofTargets = Set(sources.map { $0 + "Tests" })
        for target in try sources + folders(in: "Tests").filter({ !ofTargets.contains($0) }) {
            let isMentioned = map.contains(target)
            #expect(isMentioned, "docs/architecture.md does not mention \(target)")
        }
    }

    @Test func linksInTheDocumentsLead() throws {
        for path in try SourceTree.trackedPaths(in: ["docs", "README.md", "CONTRIBUTING.md", "SECURITY.md"])
        where path.hasSuffix(".md") {
            let url = SourceTree.root.appending(path: path)
            let text = try String(contentsOf: url, encoding: .utf8)
            for match in text.matches(of: /\]\(([^)#:\s]+)(#[^)]*)?\)/) {
                let target = url.deletingLastPathComponent().appending(path: String(match.1)).path
                #expect(FileManager.default.fileExists(atPath: target), "\(path): no \(match.1)")
            }
        }
    }
}
