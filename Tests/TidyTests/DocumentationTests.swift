import Foundation
import Testing

/// The Swift code in DocC articles is that of `DocumentationSnippets.swift` of the module's tests, which compile it.
@Suite struct DocumentationTests {
    /// Lines without their indentation, and without empty ones.
    private func lines(_ text: some StringProtocol) -> [String] {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }

    @Test(arguments: ["KafkaClient", "KafkaService"])
    func `the code in articles compiles`(_ module: String) throws {
        func read(_ path: String) throws -> String {
            try String(contentsOf: SourceTree.root.appending(path: path), encoding: .utf8)
        }
        let compiled = lines(try read("Tests/\(module)Tests/DocumentationSnippets.swift")).joined(separator: "\n")
        var count = 0
        for path in try SourceTree.trackedPaths(in: ["Sources/\(module)/\(module).docc"]) where path.hasSuffix(".md") {
            for block in try read(path).components(separatedBy: "```swift\n").dropFirst() {
                let code = lines(block.components(separatedBy: "```")[0]).joined(separator: "\n")
                #expect(compiled.contains(code), "\(path): not in DocumentationSnippets.swift: \(code.prefix(80))")
                count += 1
            }
        }
        #expect(count > 3)
    }
}
