import ConnectAPI
import KafkaClient
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// The worker's membership in its group (`group.id`, protocol type `connect`), in Kafka Connect's own protocol, of a
/// worker that is embedded in a broker's process. It serves one end: nobody else works. The member that leads has
/// everything; one that finds another in the lead refuses to work. (``WorkerGroup`` shares the work.)
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
                protocols: ConnectProtocol.offers(.init(url: url, configOffset: -1), mode: .sessioned),
                assign: { [url] name, members in
                    Self.assignNothing(members, protocolName: name, leaderURL: url)
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
        let leader = ConnectProtocol.assignment(assignment.bytes)?.leaderURL ?? assignment.leaderID
        return "Another worker (\(leader)) is at work in group \(groupID), and a worker inside sluice up works "
            + "alone: stop the other one, or run this one with sluice connect-distributed"
    }

    /// This worker works, the others rest. All are told the highest config offset of any, so that Java workers do not
    /// ask for another round at once.
    private static func assignNothing(
        _ members: [GroupMember], protocolName: String, leaderURL: String
    ) -> [String: ByteBuffer] {
        let version = ConnectProtocol.Version(name: protocolName) ?? .eager
        let metadata = members.map { ($0.id, ConnectProtocol.metadata($0.metadata)) }
        let assignment = ConnectProtocol.Assignment(
            leader: metadata.first { $0.1?.url == leaderURL }?.0 ?? members.first?.id ?? "", leaderURL: leaderURL,
            configOffset: metadata.compactMap { $0.1?.configOffset }.max() ?? -1)
        let bytes = ConnectProtocol.encode(assignment, version)
        return Dictionary(members.map { ($0.id, bytes) }) { first, _ in first }
    }
}
