import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

/// Membership in a group of KIP-848 (`group.protocol=consumer`). Heartbeats go on behind the owner's back; what they bring
/// waits until the owner asks for events.
final class ConsumerGroupMembership: Sendable {
    /// What the owner must act on.
    enum Event: Sendable {
        /// Hold these partitions, then call ``holds(_:)``.
        case target([KafkaUUID: [Int32]])
        /// Others may already read what the member held.
        case lost(reason: String)
    }

    private struct State {
        var machine: ConsumerGroupStateMachine
        var subscription: ConsumerSubscription
        var events: [Event] = []
        var failure: KafkaError?
        var task: Task<Void, Never>?
        var lastPoll: NIODeadline = .now()
        var isStuck = false
    }

    private let cluster: ClusterClient
    private let configuration: ConsumerConfiguration
    private let groupID: String
    private let logger: Logger
    private let connections: ClusterClient.Purpose
    private let signal: Signal
    private let onEvent: @Sendable () -> Void
    private let state: NIOLockedValueBox<State>

    init(
        cluster: ClusterClient, configuration: ConsumerConfiguration, groupID: String,
        subscription: ConsumerSubscription, logger: Logger, onEvent: @escaping @Sendable () -> Void
    ) {
        self.cluster = cluster
        self.configuration = configuration
        self.groupID = groupID
        self.logger = logger
        self.onEvent = onEvent
        connections = cluster.makeOwner()
        signal = Signal(eventLoop: cluster.eventLoopGroup.next())
        state = NIOLockedValueBox(
            State(
                machine: ConsumerGroupStateMachine(memberID: KafkaUUID.random().description),
                subscription: subscription))
    }

    var credentials: (memberID: String, generation: Int32)? { state.withLockedValue { $0.machine.credentials } }

    var isStable: Bool { state.withLockedValue { $0.machine.isReconciled } }

    /// The next event, if there is one; begins to join when called for the first time. Throws what makes membership
    /// impossible.
    func takeEvent() throws -> Event? {
        let outcome: Result<Event?, KafkaError> = state.withLockedValue { state in
            state.lastPoll = .now()
            if state.isStuck {
                state.isStuck = false
                signal.notify()
            }
            if let failure = state.failure {
                state.failure = nil
                return .failure(failure)
            }
            if state.task == nil { state.task = Task { await self.run() } }
            return .success(state.events.isEmpty ? nil : state.events.removeFirst())
        }
        return try outcome.get()
    }

    /// The owner now holds these.
    func holds(_ partitions: [KafkaUUID: [Int32]]) {
        state.withLockedValue { $0.machine.holds(partitions) }
        signal.notify()
    }

    func subscriptionChanged(_ subscription: ConsumerSubscription) {
        state.withLockedValue { state in
            state.subscription = subscription
            state.machine.subscriptionChanged()
        }
        signal.notify()
    }

    /// A commit has shown that the group went on.
    func expelled(reason: String) {
        state.withLockedValue { state in
            state.machine.expelled(reason)
            state.events = [.lost(reason: reason)]
        }
        signal.notify()
        onEvent()
    }

    /// Leaves; a static member only says that it is away (epoch -2), so that it finds its partitions again.
    func leave(evenIfStatic: Bool) async {
        let (wasMember, task) = state.withLockedValue { state in
            defer { state.task = nil }
            return (state.machine.leave(), state.task)
        }
        task?.cancel()
        cluster.release(connections)
        guard wasMember else { return }
        await sendLeave(epoch: configuration.groupInstanceID != nil && !evenIfStatic ? -2 : -1)
    }

    private func sendLeave(epoch: Int32) async {
        let (groupID, instanceID) = (groupID, configuration.groupInstanceID)
        let memberID = state.withLockedValue { $0.machine.memberID }
        do {
            let _: ConsumerGroupHeartbeatResponse = try await cluster.callCoordinator(
                group: groupID, timeout: .seconds(5)
            ) { _ in
                var request = ConsumerGroupHeartbeatRequest()
                request.groupId = groupID
                request.memberId = memberID
                request.memberEpoch = epoch
                request.instanceId = instanceID
                return request
            }
        } catch {
            logger.info("could not leave the group; its session time-out will", metadata: ["error": "\(error)"])
        }
    }

    // MARK: - Heartbeats

    private func run() async {
        var interval = configuration.heartbeatInterval
        var failures = 0
        while !Task.isCancelled {
            await leaveWhenOwnerIsStuck()
            do {
                if let heartbeat = state.withLockedValue({ $0.isStuck ? nil : $0.machine.heartbeat() }) {
                    let response = try await send(heartbeat)
                    if response.heartbeatIntervalMs > 0 { interval = .milliseconds(response.heartbeatIntervalMs) }
                    failures = response.errorCode == .none ? 0 : failures + 1
                    handle(response, to: heartbeat)
                }
            } catch let error as KafkaError where error.isRetriable && !cluster.isClosed {
                failures += 1
                state.withLockedValue { $0.machine.heartbeatFailed() }
                logger.debug("heartbeat failed", metadata: ["group": "\(groupID)", "error": "\(error)"])
            } catch {
                state.withLockedValue { state in
                    state.failure = error as? KafkaError
                    state.task = nil
                }
                return onEvent()
            }
            if failures > 0 {
                do { try await Task.sleep(for: cluster.retryBackoff.delay(afterFailures: failures)) } catch { return }
            } else if !state.withLockedValue({ !$0.isStuck && $0.machine.isUrgent }) {
                do { try await signal.wait(until: .now() + TimeAmount(interval)) } catch { return }
            }
        }
    }

    private func handle(
        _ response: ConsumerGroupHeartbeatResponse, to heartbeat: ConsumerGroupStateMachine.Heartbeat
    ) {
        let action = state.withLockedValue { state in
            let action = state.machine.received(response, to: heartbeat)
            switch action {
            case .reconcile(let target): state.events = state.events.filter(\.isLoss) + [.target(target)]
            case .lost(let reason): state.events = [.lost(reason: reason)]
            case .fail(let code):
                state.failure = .broker(code, "heartbeat in group '\(groupID)'", detail: response.errorMessage)
            case .none, .findCoordinator: break
            }
            return action
        }
        switch action {
        case .none: break
        case .findCoordinator: cluster.forgetCoordinator(.init(kind: .group, name: groupID))
        case .reconcile, .lost, .fail: onEvent()
        }
    }

    private func send(
        _ heartbeat: ConsumerGroupStateMachine.Heartbeat
    ) async throws -> ConsumerGroupHeartbeatResponse {
        let (groupID, configuration) = (groupID, configuration)
        let subscription = state.withLockedValue { $0.subscription }
        return try await cluster.callCoordinator(
            group: groupID, purpose: connections, atLeast: subscription.serverPattern == nil ? 0 : 1
        ) { version in
            var request = ConsumerGroupHeartbeatRequest()
            request.groupId = groupID
            request.memberId = heartbeat.memberID
            request.memberEpoch = heartbeat.epoch
            request.instanceId = configuration.groupInstanceID
            if heartbeat.isFull {
                request.rackId = configuration.client.rack.isEmpty ? nil : configuration.client.rack
                request.rebalanceTimeoutMs = configuration.maxPollInterval.milliseconds
                request.subscribedTopicNames = subscription.topics.sorted()
                // Null would leave an earlier pattern in force; librdkafka's mock dies of it beside names.
                request.subscribedTopicRegex = version >= 1 ? subscription.serverPattern ?? "" : nil
                request.serverAssignor = configuration.groupRemoteAssignor
            }
            request.topicPartitions = heartbeat.owned?.map { id, partitions in
                var entry = ConsumerGroupHeartbeatRequest.TopicPartitions()
                entry.topicId = id
                entry.partitions = partitions
                return entry
            }
            return request
        }
    }

    /// As the classic member: who does not poll leaves, and joins again with the next poll.
    private func leaveWhenOwnerIsStuck() async {
        let isStuck = state.withLockedValue { state in
            guard state.machine.credentials != nil,
                state.lastPoll + TimeAmount(configuration.maxPollInterval) < .now()
            else { return false }
            let reason = "no poll for longer than max.poll.interval.ms"
            state.machine.expelled(reason)
            state.events = [.lost(reason: reason)]
            state.isStuck = true
            return true
        }
        guard isStuck else { return }
        logger.warning(
            "left the group: the application did not poll within max.poll.interval.ms",
            metadata: ["group": "\(groupID)"])
        await sendLeave(epoch: configuration.groupInstanceID == nil ? -1 : -2)
    }
}

extension ConsumerGroupMembership.Event {
    fileprivate var isLoss: Bool {
        if case .lost = self { true } else { false }
    }
}
