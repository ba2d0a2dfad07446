internal import KafkaProtocol

/// `meta.properties`: whose data folder this is. Kafka's names and its version 1.
struct MetaProperties: Equatable {
    static let fileName = "meta.properties"

    var clusterID: String
    var nodeID: Int32
    var directoryID: String

    func encode() -> [UInt8] {
        Array("version=1\ncluster.id=\(clusterID)\nnode.id=\(nodeID)\ndirectory.id=\(directoryID)\n".utf8)
    }

    /// Reads the file; a missing `directory.id` (Kafka before 3.7) gets a new one.
    static func decode(_ bytes: [UInt8], path: String) throws(StorageError) -> MetaProperties {
        var values: [Substring: Substring] = [:]
        for line in String(decoding: bytes, as: UTF8.self).split(whereSeparator: \.isNewline) where !line.hasPrefix("#")
        {
            guard let equals = line.firstIndex(of: "=") else { continue }
            values[line[..<equals]] = line[line.index(after: equals)...]
        }
        guard let clusterID = values["cluster.id"], !clusterID.isEmpty,
            let nodeID = (values["node.id"] ?? values["broker.id"]).flatMap({ Int32($0) })
        else {
            throw StorageError(
                .inconsistentIdentity,
                "\(path) has no usable cluster.id and node.id: restore it, or choose another folder")
        }
        let directoryID = values["directory.id"].map(String.init) ?? KafkaUUID.random().description
        return MetaProperties(clusterID: String(clusterID), nodeID: nodeID, directoryID: directoryID)
    }
}
