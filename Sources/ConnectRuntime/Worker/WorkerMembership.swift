import ConnectAPI
import KafkaClient
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The worker's membership in its group (`group.id`, protocol type `connect`), in Kafka Connect's own protocol. For now
/// it serves one end: there is never more than one worker at work. The member that leads has everything; one that finds
/// another in the lead refuses to work. (Sharing the work among workers is a later step; this is its seam.)
///
/// A worker with a fixed REST port is a static member (`group.instance.id` is its REST address): killed and started
/// again, it is back at once and does not wait for its own ghost to time out.
final class WorkerMembership: Sendable {
    private struct State {
        var onGeneration: (@Sendable (Int) -> Void)?
        var onDisplaced: (@Sendable (String) async -> Void)?
        var loop: Task<Void, Never>?
    }

    private let membership: GroupMembership
    private let groupID: String
    private let url: String
    private let logger: Logger
    private let joinTimeout: Duration
    private let state = NIOLockedValueBox(State())

    init(
        _ configuration: WorkerConfiguration, clients: WorkerClients, workerURL: String, isAddressFixed: Bool,
        logger: Logger
    ) {
        groupID = configuration.groupID
        url = workerURL
        self.logger = logger
        joinTimeout = configuration.rebalanceTimeout + configuration.sessionTimeout
        membership = GroupMembership(
            cluster: clients.cluster,
            configuration: GroupConfiguration(
                groupID: configuration.groupID, protocolType: "connect",
                instanceID: isAddressFixed ? "sluice-\(workerURL)" : nil,
                sessionTimeout: configuration.sessionTimeout, rebalanceTimeout: configuration.rebalanceTimeout,
                heartbeatInterval: configuration.heartbeatInterval),
            logger: logger)
    }

    /// Told every generation of the group.
    var onGeneration: (@Sendable (Int) -> Void)? {
        get { state.withLockedValue { $0.onGeneration } }
        set { state.withLockedValue { $0.onGeneration = newValue } }
    }

    /// Told when another worker has taken the lead after this one had it.
    var onDisplaced: (@Sendable (String) async -> Void)? {
        get { state.withLockedValue { $0.onDisplaced } }
        set { state.withLockedValue { $0.onDisplaced = newValue } }
    }

    /// Joins and waits for the lead.
    /// - Throws: ``HerderError`` if another worker has it.
    func join() async throws {
        let deadline = ContinuousClock.now + joinTimeout
        while ContinuousClock.now < deadline {
            guard let event = try await membership.nextEvent(timeout: .seconds(1)) else { continue }
            if case .assigned(let assignment) = event {
                guard assignment.isLeader else {
                    await membership.leave(reason: "another worker leads the group", evenIfStatic: true)
                    throw HerderError(status: 500, message: refusal(assignment))
                }
                onGeneration?(Int(assignment.generation))
                let loop = Task { await follow() }
                state.withLockedValue { $0.loop = loop }
                return
            }
            answer(event)
        }
        throw KafkaError(.timedOut, "the worker group \(groupID) could not be joined in \(joinTimeout)")
    }

    func leave() async {
        state.withLockedValue { $0.loop }?.cancel()
        await membership.leave(evenIfStatic: true)
    }

    private func answer(_ event: GroupEvent) {
        switch event {
        case .joinNeeded:
            membership.join(
                protocols: ConnectProtocol.offers(url: url),
                assign: { [url] name, members in
                    ConnectProtocol.assignAllToLeader(members, protocolName: name, leaderURL: url)
                })
        case .lost(let reason):
            logger.warning("the worker group went on without this worker", metadata: ["reason": "\(reason)"])
        case .assigned:
            break
        }
    }

    /// Stays in the group; tells when the lead is lost.
    private func follow() async {
        while !Task.isCancelled {
            do {
                guard let event = try await membership.nextEvent(timeout: .seconds(60)) else { continue }
                guard case .assigned(let assignment) = event else {
                    answer(event)
                    continue
                }
                onGeneration?(Int(assignment.generation))
                if !assignment.isLeader {
                    await membership.leave(reason: "another worker leads the group", evenIfStatic: true)
                    await onDisplaced?(refusal(assignment))
                    return
                }
            } catch is CancellationError {
                return
            } catch {
                logger.warning("worker group", metadata: ["error": "\(error)"])
                do { try await Task.sleep(for: .seconds(1)) } catch { return }
            }
        }
    }

    private func refusal(_ assignment: GroupAssignment) -> String {
        let leader = ConnectProtocol.leaderURL(of: assignment.bytes) ?? assignment.leaderID
        return "Another worker (\(leader)) is at work in group \(groupID), and this version of Sluice runs one worker "
            + "per group: stop the other one, or give this one another group.id and other storage topics"
    }
}

/// Kafka Connect's rebalance protocol (`ConnectProtocol`, `IncrementalCooperativeConnectProtocol`): classic Kafka
/// types, big endian.
enum ConnectProtocol {
    private static let versions: [(name: String, version: Int16)] = [
        ("sessioned", 2), ("compatible", 1), ("default", 0),
    ]

    /// What a worker says when it joins: version, URL, config offset, and from version 1 its assignment (null: none).
    static func offers(url: String, configOffset: Int64 = -1) -> [GroupProtocol] {
        versions.map { name, version in
            var buffer = ByteBuffer()
            buffer.writeInteger(version)
            write(url, to: &buffer)
            buffer.writeInteger(configOffset)
            if version > 0 { buffer.writeInteger(Int32(-1)) }
            return GroupProtocol(name: name, metadata: buffer)
        }
    }

    /// The leader works, the others rest. All are told the highest config offset of any, so that Java workers do not
    /// ask for another round at once.
    static func assignAllToLeader(
        _ members: [GroupMember], protocolName: String, leaderURL: String
    ) -> [String: ByteBuffer] {
        let version = versions.first { $0.name == protocolName }?.version ?? 0
        let offset = members.compactMap { configOffset(of: $0.metadata) }.max() ?? -1
        let leader = members.first { url(of: $0.metadata) == leaderURL }?.id ?? members.first?.id ?? ""
        var buffer = ByteBuffer()
        buffer.writeInteger(version)
        buffer.writeInteger(Int16(0))
        write(leader, to: &buffer)
        write(leaderURL, to: &buffer)
        buffer.writeInteger(offset)
        buffer.writeInteger(Int32(0))
        if version > 0 {
            buffer.writeInteger(Int32(0))
            buffer.writeInteger(Int32(0))
        }
        return Dictionary(members.map { ($0.id, buffer) }) { first, _ in first }
    }

    /// Who made an assignment; nil if the bytes are not one.
    static func leaderURL(of assignment: ByteBuffer) -> String? {
        var buffer = assignment
        guard buffer.readInteger(as: Int16.self) != nil, buffer.readInteger(as: Int16.self) != nil,
            readString(&buffer) != nil
        else { return nil }
        return readString(&buffer)
    }

    private static func url(of metadata: ByteBuffer) -> String? {
        var buffer = metadata
        guard buffer.readInteger(as: Int16.self) != nil else { return nil }
        return readString(&buffer)
    }

    private static func configOffset(of metadata: ByteBuffer) -> Int64? {
        var buffer = metadata
        guard buffer.readInteger(as: Int16.self) != nil, readString(&buffer) != nil else { return nil }
        return buffer.readInteger()
    }

    private static func write(_ text: String, to buffer: inout ByteBuffer) {
        buffer.writeInteger(Int16(clamping: text.utf8.count))
        buffer.writeString(text)
    }

    private static func readString(_ buffer: inout ByteBuffer) -> String? {
        guard let length = buffer.readInteger(as: Int16.self), length >= 0 else { return nil }
        return buffer.readString(length: Int(length))
    }
}
