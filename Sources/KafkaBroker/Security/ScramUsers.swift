import KafkaProtocol
import NIOConcurrencyHelpers
import NIOCore

/// The users of SCRAM: what the metadata log has of them.
final class ScramUsers: Sendable {
    static let longestName = 255

    private let users = NIOLockedValueBox<[String: [ScramMechanism: ScramCredential]]>([:])

    /// All users' names, sorted.
    var names: [String] { users.withLockedValue { $0.keys.sorted() } }

    /// A user's credential; nil if there is none.
    func credential(of user: String, _ mechanism: ScramMechanism) -> ScramCredential? {
        users.withLockedValue { $0[user]?[mechanism] }
    }

    /// A user's credentials in the order of the mechanisms' numbers.
    func credentials(of user: String) -> [(ScramMechanism, ScramCredential)] {
        users.withLockedValue { $0[user] ?? [:] }.sorted { $0.key.rawValue < $1.key.rawValue }
            .map { ($0.key, $0.value) }
    }

    func apply(_ record: ScramRecord) {
        users.withLockedValue { users in
            users[record.user, default: [:]][record.mechanism] = record.credential
            if users[record.user]?.isEmpty == true { users[record.user] = nil }
        }
    }
}

/// A record of the metadata log: a user's credential, or that it is gone.
///
/// Key = int16 kind (20), name, int8 mechanism; value = int16 version (1), salt, stored key, server key, iterations.
struct ScramRecord: Equatable {
    private static let kind: Int16 = 20
    private static let version: Int16 = 1

    var user: String
    var mechanism: ScramMechanism
    var credential: ScramCredential?

    init(user: String, mechanism: ScramMechanism, credential: ScramCredential?) {
        self.user = user
        self.mechanism = mechanism
        self.credential = credential
    }

    var key: ByteBuffer {
        var writer = WireWriter()
        writer.writeInt16(Self.kind)
        writer.writeString(user, flexible: false)
        writer.writeInt8(mechanism.rawValue)
        return writer.buffer
    }

    var value: ByteBuffer? {
        guard let credential else { return nil }
        var writer = WireWriter()
        writer.writeInt16(Self.version)
        for bytes in [credential.salt, credential.storedKey, credential.serverKey] {
            writer.writeBytes(ByteBuffer(bytes: bytes), flexible: false)
        }
        writer.writeInt32(credential.iterations)
        return writer.buffer
    }

    /// Reads a record; nil if it is of another kind or of a mechanism that this version does not know.
    init?(key: ByteBuffer, value: ByteBuffer?) throws(WireError) {
        var keyReader = WireReader(key)
        guard try keyReader.readInt16() == Self.kind else { return nil }
        user = try keyReader.readString(flexible: false)
        guard let mechanism = ScramMechanism(rawValue: try keyReader.readInt8()) else { return nil }
        self.mechanism = mechanism
        guard let value else { return }
        var reader = WireReader(value)
        guard try reader.readInt16() == Self.version else {
            throw WireError("a credential in the metadata log was written by a newer Sluice")
        }
        let salt = try reader.readBytes(flexible: false)
        let storedKey = try reader.readBytes(flexible: false)
        let serverKey = try reader.readBytes(flexible: false)
        credential = ScramCredential(
            salt: Array(salt.readableBytesView), storedKey: Array(storedKey.readableBytesView),
            serverKey: Array(serverKey.readableBytesView), iterations: try reader.readInt32())
    }
}
