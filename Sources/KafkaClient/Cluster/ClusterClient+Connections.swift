import Logging
import NIOConcurrencyHelpers
import NIOCore

extension ClusterClient {
    /// Hands out the connection to a broker, making it if need be and waiting out the back-off.
    func connection(
        to address: HostPort, purpose: Purpose,
        completion: @escaping @Sendable (Result<BrokerConnection, KafkaError>) -> Void
    ) {
        enum Step {
            case done(Result<BrokerConnection, KafkaError>)
            case connect(after: TimeAmount)
            case wait
        }
        let key = ConnectionKey(address: address, purpose: purpose)
        let step: Step = state.withLockedValue { state in
            guard !state.isClosed else { return .done(.failure(.closed("the client"))) }
            var slot = state.slots[key] ?? Slot()
            defer { state.slots[key] = slot }
            if let connection = slot.connection, connection.isOpen { return .done(.success(connection)) }
            slot.connection = nil
            slot.waiters.append(completion)
            guard !slot.isConnecting else { return .wait }
            slot.isConnecting = true
            let now = NIODeadline.now().uptimeNanoseconds
            return .connect(after: .nanoseconds(slot.retryAt > now ? Int64(slot.retryAt - now) : 0))
        }
        switch step {
        case .done(let result): completion(result)
        case .wait: break
        case .connect(let delay):
            if delay.nanoseconds > 0 {
                eventLoopGroup.next().scheduleTask(in: delay) { [self] in connect(key) }
            } else {
                connect(key)
            }
        }
    }

    /// What a broker speaks, if there is a connection to it.
    func versions(of address: HostPort) -> APIVersionTable? {
        let connection = state.withLockedValue { state in
            state.slots[ConnectionKey(address: address, purpose: .general)]?.connection
        }
        return try? connection?.versions
    }

    /// Names someone who wants connections of its own, until ``release(_:)``.
    func makeOwner() -> Purpose {
        state.withLockedValue { state in
            state.owners += 1
            return .dedicated(owner: state.owners)
        }
    }

    /// Closes the connections that were made for one owner.
    func release(_ purpose: Purpose) {
        guard purpose != .general else { return }
        let slots = state.withLockedValue { state in
            let keys = state.slots.keys.filter { $0.purpose == purpose }
            return keys.compactMap { state.slots.removeValue(forKey: $0) }
        }
        let error = KafkaError.closed("the consumer")
        for slot in slots {
            slot.connection?.close(error)
            for waiter in slot.waiters { waiter(.failure(error)) }
        }
    }

    private func connect(_ key: ConnectionKey) {
        guard !isClosed else { return }
        factory.connect(to: key.address).whenComplete { [self] result in
            let outcome = result.mapError { error in
                error as? KafkaError ?? KafkaError(.connectionFailed, "cannot reach \(key.address): \(error)")
            }
            connected(key, outcome)
        }
    }

    private func connected(_ key: ConnectionKey, _ outcome: Result<BrokerConnection, KafkaError>) {
        var isWanted = true
        let waiters = state.withLockedValue { state -> [@Sendable (Result<BrokerConnection, KafkaError>) -> Void] in
            guard !state.isClosed, var slot = state.slots[key] else {
                isWanted = false
                return []
            }
            slot.isConnecting = false
            switch outcome {
            case .success(let connection):
                slot.connection = connection
                slot.failures = 0
                state.everConnected = true
            case .failure:
                slot.failures += 1
                let delay = TimeAmount(reconnectBackoff.delay(afterFailures: slot.failures))
                slot.retryAt = (NIODeadline.now() + delay).uptimeNanoseconds
            }
            defer {
                slot.waiters = []
                state.slots[key] = slot
            }
            return slot.waiters
        }
        switch outcome {
        case .success(let connection) where !isWanted: connection.close(.closed("the client"))
        case .success(let connection):
            logger.debug("connected", metadata: ["broker": "\(key.address)"])
            scheduleIdleCheck(connection)
        case .failure(let error):
            logger.debug("connection failed", metadata: ["broker": "\(key.address)", "error": "\(error)"])
        }
        for waiter in waiters { waiter(outcome) }
    }

    private func scheduleIdleCheck(_ connection: BrokerConnection) {
        let idle = TimeAmount(configuration.connectionsMaxIdle)
        guard idle.nanoseconds > 0 else { return }
        connection.channel.eventLoop.scheduleTask(in: idle) { [weak self, weak connection] in
            guard let self, let connection, connection.isOpen else { return }
            let now = NIODeadline.now().uptimeNanoseconds
            let allowed = UInt64(idle.nanoseconds)
            if connection.isIdle(since: now > allowed ? now - allowed : 0) {
                connection.close(
                    KafkaError(.connectionClosed, "the idle connection to \(connection.address) was closed"))
            } else {
                scheduleIdleCheck(connection)
            }
        }
    }
}
