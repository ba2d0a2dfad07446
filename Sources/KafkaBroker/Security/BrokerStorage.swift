public import KafkaProtocol
import KafkaStorage
public import Logging

/// What can be done to a data folder while no broker runs on it.
public enum BrokerStorage {
    /// What a data folder says of itself.
    public struct Description: Sendable {
        /// The cluster's id.
        public var clusterID: String
        /// The node's id.
        public var nodeID: Int32
        /// Whether the last broker was stopped in order.
        public var wasCleanShutdown: Bool
        /// The logs in the folder, as `topic-partition`, sorted.
        public var logs: [String]
    }

    /// Makes the folder if it is absent, and sets users' passwords for SCRAM. They are on disk when this returns.
    ///
    /// - Throws: `BrokerError` with code `storage`, if the folder is in use or cannot be written.
    public static func format(
        _ configuration: BrokerConfiguration, users: [ScramUser], logger: Logger
    ) throws(BrokerError) -> Description {
        var options = LogDirectory.Options()
        options.nodeID = configuration.nodeID
        options.logger = logger
        do throws(StorageError) {
            let directory = try LogDirectory.open(path: configuration.dataDirectory, options: options)
            var refusal: Refusal?
            do {
                let topics = try TopicRegistry(configuration: configuration, directory: directory, logger: logger)
                for user in users {
                    try topics.setScramCredential(user.credential, of: user.name, user.mechanism)
                }
                try topics.flush()
            } catch let error as Refusal {
                refusal = error
            } catch {
                refusal = Refusal(.unknownServerError, "\(error)")
            }
            let logs = try directory.existingLogs().map { "\($0)" }
            try directory.close()
            if let refusal { throw StorageError(.io, refusal.message) }
            return Description(
                clusterID: directory.clusterID, nodeID: directory.nodeID,
                wasCleanShutdown: directory.wasCleanShutdown, logs: logs)
        } catch {
            throw BrokerError(.storage, error.message, cause: error)
        }
    }
}

/// A user with a password for SCRAM.
public struct ScramUser: Sendable {
    /// The user's name.
    public var name: String
    /// The mechanism.
    public var mechanism: ScramMechanism
    /// What is kept of the password.
    public var credential: ScramCredential

    /// Reads Kafka's form `SCRAM-SHA-256=[name=alice,password=secret,iterations=4096]`; iterations may be left out.
    ///
    /// - Throws: `BrokerError` with code `configuration`; the message does not show the password.
    public init(parsing text: String) throws(BrokerError) {
        let form = "SCRAM-SHA-256=[name=NAME,password=PASSWORD] or SCRAM-SHA-512=[…,iterations=NUMBER]"
        guard let equals = text.firstIndex(of: "="), let mechanism = ScramMechanism(name: String(text[..<equals])),
            text[equals...].hasPrefix("=["), text.hasSuffix("]")
        else { throw BrokerError(.configuration, "--add-scram is not of the form \(form).") }
        var fields: [Substring: String] = [:]
        for part in text[equals...].dropFirst(2).dropLast().split(separator: ",") {
            guard let equals = part.firstIndex(of: "=") else {
                throw BrokerError(.configuration, "--add-scram is not of the form \(form).")
            }
            fields[part[..<equals]] = String(part[part.index(after: equals)...])
        }
        guard let name = fields["name"], !name.isEmpty, name.utf8.count <= ScramUsers.longestName,
            let password = fields["password"], !password.isEmpty
        else { throw BrokerError(.configuration, "--add-scram needs a name and a password: \(form).") }
        let iterations = fields["iterations"].map { Int32($0) } ?? ScramMechanism.minimumIterations
        guard let iterations,
            (ScramMechanism.minimumIterations...ScramMechanism.maximumIterations).contains(iterations)
        else {
            throw BrokerError(
                .configuration,
                "--add-scram: iterations must be between \(ScramMechanism.minimumIterations) and "
                    + "\(ScramMechanism.maximumIterations).")
        }
        self.name = name
        self.mechanism = mechanism
        credential = ScramCredential(mechanism, password: password, iterations: iterations)
    }
}
