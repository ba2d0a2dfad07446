import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore

extension GroupMembership {
    private enum Outcome {
        case assigned(GroupAssignment)
        case lost(String)
        case fail(KafkaError)
    }

    /// Joins and syncs until there is an assignment, or until it is clear that there will be none.
    func runJoin(protocols: [GroupProtocol], reason: String, assign: @escaping Assign) async {
        let outcome: Outcome
        do {
            outcome = try await attempt(protocols: protocols, reason: reason, assign: assign)
        } catch let error as KafkaError {
            outcome = .fail(error)
        } catch {
            // Cancelled by leave(), or the leader's own assignment failed.
            outcome = .fail(
                KafkaError(
                    .invalidState, "joining group '\(configuration.groupID)': \(error)", isRetriable: false,
                    cause: error))
        }
        state.withLockedValue { state in
            guard state.machine.phase != .left else { return }
            state.joinTask = nil
            switch outcome {
            case .assigned(let assignment):
                state.events.append(.assigned(assignment))
                state.lastContact = .now()
                if state.heartbeatTask == nil { state.heartbeatTask = Task { await self.runHeartbeats() } }
            case .lost(let reason):
                state.events.append(.lost(reason: reason))
            case .fail(let error):
                state.machine.joinInterrupted("the last attempt failed")
                state.failure = error
            }
        }
        announce()
    }

    private func attempt(
        protocols: [GroupProtocol], reason: String, assign: @escaping Assign
    ) async throws -> Outcome {
        var failures = 0
        while true {
            try Task.checkCancellation()
            do {
                let response = try await sendJoin(protocols: protocols, reason: reason)
                switch state.withLockedValue({ $0.machine.joined(response) }) {
                case .retryNow: continue
                case .retryLater(let findCoordinator):
                    if findCoordinator { forgetCoordinator() }
                case .lost(let reason): return .lost(reason)
                case .fail(let error): return .fail(error)
                case .sync(let members):
                    let parts = try await assignments(members, response.protocolName ?? "", assign)
                    let answer = try await sendSync(parts)
                    switch state.withLockedValue({ $0.machine.synced(answer) }) {
                    case .assigned(let assignment): return .assigned(assignment)
                    case .lost(let reason): return .lost(reason)
                    case .fail(let error): return .fail(error)
                    case .rejoin(let findCoordinator):
                        if findCoordinator { forgetCoordinator() }
                        failures = 0
                    }
                }
            } catch let error as KafkaError where error.isRetriable && !cluster.isClosed {
                logger.debug(
                    "join failed; trying again",
                    metadata: ["group": "\(configuration.groupID)", "error": "\(error)"])
                if error.code != .broker { forgetCoordinator() }
                state.withLockedValue { $0.machine.restartJoin() }
            }
            failures += 1
            try await Task.sleep(for: cluster.retryBackoff.delay(afterFailures: failures))
        }
    }

    private func forgetCoordinator() {
        cluster.forgetCoordinator(.init(kind: .group, name: configuration.groupID))
    }

    private func assignments(
        _ members: [GroupMember]?, _ protocolName: String, _ assign: Assign
    ) async throws -> [String: ByteBuffer] {
        guard let members else { return [:] }
        return try await assign(protocolName, members)
    }

    private func sendJoin(protocols: [GroupProtocol], reason: String) async throws -> JoinGroupResponse {
        let configuration = configuration
        let memberID = state.withLockedValue { $0.machine.memberID }
        let patience = max(cluster.configuration.requestTimeout, configuration.rebalanceTimeout + .seconds(5))
        return try await cluster.callCoordinator(
            group: configuration.groupID, purpose: connections, timeout: patience
        ) { _ in
            var request = JoinGroupRequest()
            request.groupId = configuration.groupID
            request.sessionTimeoutMs = configuration.sessionTimeout.milliseconds
            request.rebalanceTimeoutMs = configuration.rebalanceTimeout.milliseconds
            request.memberId = memberID
            request.groupInstanceId = configuration.instanceID
            request.protocolType = configuration.protocolType
            request.reason = reason
            request.protocols = protocols.map {
                var entry = JoinGroupRequest.JoinGroupRequestProtocol()
                entry.name = $0.name
                entry.metadata = $0.metadata
                return entry
            }
            return request
        }
    }

    private func sendSync(_ parts: [String: ByteBuffer]) async throws -> SyncGroupResponse {
        let configuration = configuration
        let (memberID, generation, name) = state.withLockedValue {
            ($0.machine.memberID, $0.machine.generation, $0.machine.protocolName)
        }
        let patience = max(cluster.configuration.requestTimeout, configuration.rebalanceTimeout + .seconds(5))
        return try await cluster.callCoordinator(
            group: configuration.groupID, purpose: connections, timeout: patience
        ) { _ in
            var request = SyncGroupRequest()
            request.groupId = configuration.groupID
            request.generationId = generation
            request.memberId = memberID
            request.groupInstanceId = configuration.instanceID
            request.protocolType = configuration.protocolType
            request.protocolName = name
            request.assignments = parts.map {
                var entry = SyncGroupRequest.SyncGroupRequestAssignment()
                entry.memberId = $0.key
                entry.assignment = $0.value
                return entry
            }
            return request
        }
    }

    // MARK: - Heartbeats

    func runHeartbeats() async {
        var pause = configuration.heartbeatInterval
        while !Task.isCancelled {
            do { try await Task.sleep(for: pause) } catch { return }
            pause = configuration.heartbeatInterval
            if await leaveWhenOwnerIsStuck() { continue }
            let credentials = state.withLockedValue { state in
                state.machine.phase == .stable ? state.machine.credentials : nil
            }
            guard let credentials else { continue }
            do {
                let sent = NIODeadline.now()
                let code = try await sendHeartbeat(credentials)
                if code == .none || code == .rebalanceInProgress {
                    state.withLockedValue { $0.lastContact = sent }
                }
                handleHeartbeat(code, generation: credentials.generation)
            } catch {
                if Task.isCancelled { return }
                logger.debug(
                    "heartbeat failed", metadata: ["group": "\(configuration.groupID)", "error": "\(error)"])
                forgetCoordinator()
                pause = min(cluster.configuration.retryBackoff, configuration.heartbeatInterval)
            }
        }
    }

    private func sendHeartbeat(_ credentials: (memberID: String, generation: Int32)) async throws -> ErrorCode {
        let configuration = configuration
        let timeout = min(cluster.configuration.requestTimeout, configuration.sessionTimeout)
        let response: HeartbeatResponse = try await cluster.callCoordinator(
            group: configuration.groupID, purpose: connections, timeout: timeout
        ) { _ in
            var request = HeartbeatRequest()
            request.groupId = configuration.groupID
            request.generationId = credentials.generation
            request.memberId = credentials.memberID
            request.groupInstanceId = configuration.instanceID
            return request
        }
        return response.errorCode
    }

    private func handleHeartbeat(_ code: ErrorCode, generation: Int32) {
        let action = state.withLockedValue { state in
            let action = state.machine.heartbeat(code, generation: generation)
            switch action {
            case .lost(let reason): state.events.append(.lost(reason: reason))
            case .fail(let code):
                state.failure = KafkaError.broker(code, "heartbeat in group '\(configuration.groupID)'")
            case .none, .rejoin, .findCoordinator: break
            }
            return action
        }
        switch action {
        case .none: break
        case .findCoordinator: forgetCoordinator()
        case .rejoin, .lost, .fail: announce()
        }
    }

    /// An owner that does not poll holds up the others: the member leaves, as Kafka's does after
    /// `max.poll.interval.ms`, and joins again with the next poll.
    private func leaveWhenOwnerIsStuck() async -> Bool {
        guard let limit = configuration.maxPollInterval else { return false }
        let memberID: String? = state.withLockedValue { state in
            guard state.machine.phase == .stable, state.lastPoll + TimeAmount(limit) < .now() else { return nil }
            let id = state.machine.memberID
            let reason = "no poll for longer than max.poll.interval.ms"
            state.machine.expelled(reason)
            state.events.append(.lost(reason: reason))
            return id
        }
        guard let memberID else { return false }
        logger.warning(
            "left the group: the application did not poll within max.poll.interval.ms",
            metadata: ["group": "\(configuration.groupID)"])
        if configuration.instanceID == nil { await sendLeave(memberID: memberID, reason: "poll interval exceeded") }
        return true
    }
}

extension Duration {
    /// Whole milliseconds, as the wire wants them.
    var milliseconds: Int32 {
        let (seconds, attoseconds) = components
        return Int32(
            clamping: seconds.multipliedReportingOverflow(by: 1000).partialValue + attoseconds / 1_000_000_000_000_000)
    }
}
