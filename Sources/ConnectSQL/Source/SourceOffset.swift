import ConnectAPI
import OrderedCollections

/// Where a source resumes, in the JDBC connectors' form (`reference/jdbc-semantics.md` 3). The order of the keys is
/// Java's, because a Java worker finds offsets by their bytes.
enum SourceOffset {
    /// The partition of a table's offset.
    static func partition(_ table: TableID) -> OffsetMap {
        ["protocol": .string("1"), "table": .string(table.qualifiedName)]
    }

    /// The form of older connectors, which is read but not written.
    static func oldPartition(_ table: TableID) -> OffsetMap {
        ["table": .string(table.name)]
    }

    /// The partition under which mode bulk clears offsets.
    static func bulkPartition(_ table: TableID) -> OffsetMap {
        ["table": .string(table.name)]
    }

    static func incrementing(_ value: Int64) -> OffsetMap {
        ["incrementing": .int64(value)]
    }

    /// The growing column's value of a stored offset; nil if it has none.
    static func incrementing(of offset: OffsetMap?) -> Int64? {
        offset?["incrementing"]?.integer
    }
}
