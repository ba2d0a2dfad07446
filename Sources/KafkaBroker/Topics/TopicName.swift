/// The rules for topic names (Kafka's `Topic.validate`).
enum TopicName {
    static let maximumLength = 249
    /// Holds the offsets and the members of consumer groups.
    static let consumerOffsets = "__consumer_offsets"
    static let transactionState = "__transaction_state"

    static func isInternal(_ name: String) -> Bool { name == consumerOffsets || name == transactionState }

    /// What is wrong with a name; nil if nothing is.
    static func fault(in name: String) -> String? {
        if name.isEmpty { return "Topic name is invalid: the empty string is not allowed" }
        if name == "." || name == ".." { return "Topic name is invalid: '.' or '..' are not allowed" }
        if name.utf8.count > maximumLength {
            return
                "Topic name is invalid: the length of '\(name)' is longer than the max allowed length \(maximumLength)"
        }
        if !name.utf8.allSatisfy(isLegal) {
            return "Topic name is invalid: '\(name)' contains one or more characters other than ASCII alphanumerics, "
                + "'.', '_' and '-'"
        }
        return nil
    }

    /// Metric names replace dots by underscores, so Kafka lets no two topics differ in that only.
    static func collisionKey(_ name: String) -> String {
        String(decoding: name.utf8.map { $0 == UInt8(ascii: ".") ? UInt8(ascii: "_") : $0 }, as: UTF8.self)
    }

    private static func isLegal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            return true
        default:
            return false
        }
    }
}
