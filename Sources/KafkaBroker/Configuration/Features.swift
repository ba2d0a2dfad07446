/// The features of a cluster that clients look for (KIP-584). Each is in force at its highest version.
enum Features {
    struct Feature: Sendable {
        var name: String
        var versions: ClosedRange<Int16>
    }

    static let all = [
        Feature(name: "group.version", versions: 0...1), Feature(name: "transaction.version", versions: 0...2),
    ]
}
