import Foundation

/// The files of this package, as the tidy rules see them.
enum SourceTree {
    static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    struct File {
        var path: String
        var lines: [Substring]

        var isGenerated: Bool { path.contains("/Generated/") }

        /// Line numbers of public declarations that no `///` comment precedes.
        func undocumentedPublicLines() -> [Int] {
            lines.indices.filter { index in
                let line = lines[index].trimmingPrefix { $0 == " " }
                guard line.hasPrefix("public ") || line.hasPrefix("open class ") else { return false }
                if line.hasPrefix("public import") || line.hasPrefix("public extension") { return false }
                return !isDocumented(before: index)
            }.map { $0 + 1 }
        }

        private func isDocumented(before index: Int) -> Bool {
            var above = index - 1
            while above >= 0 {
                let line = lines[above].trimmingPrefix { $0 == " " }
                if line.hasPrefix("///") { return true }
                let isAttributeOrCondition = line.hasPrefix("@") || line.hasPrefix("#if") || line.hasPrefix("//")
                guard isAttributeOrCondition else { return false }
                above -= 1
            }
            return false
        }
    }

    static func swiftFiles(in folders: [String]) throws -> [File] {
        try trackedPaths(in: folders).filter { $0.hasSuffix(".swift") }.map { path in
            let text = try String(contentsOf: root.appending(path: path), encoding: .utf8)
            return File(path: path, lines: text.split(separator: "\n", omittingEmptySubsequences: false))
        }
    }

    /// Paths below the package root of every file in these folders (or the file itself).
    static func trackedPaths(in folders: [String]) throws -> [String] {
        folders.flatMap { folder -> [String] in
            let url = root.appending(path: folder)
            var isDirectory: ObjCBool = false
            guard FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory) else { return [] }
            guard isDirectory.boolValue else { return [folder] }
            let names = FileManager.default.enumerator(atPath: url.path)?.compactMap { $0 as? String } ?? []
            return names.filter { !$0.contains("__pycache__") }.map { folder + "/" + $0 }
        }
    }

    /// Words of a path in lower case: `Sources/KafkaClient/NewThing.swift` has `new` and `thing`.
    static func words(in path: String) -> [String] {
        let spaced = path.replacing(/([a-z0-9])([A-Z])/) { "\($0.1) \($0.2)" }
        return spaced.split { !$0.isLetter && !$0.isNumber }.map { $0.lowercased() }
    }
}
