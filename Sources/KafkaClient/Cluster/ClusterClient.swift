import KafkaProtocol
public import Logging
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix

/// The connections to one cluster and what is known of it: brokers, leaders, coordinators. Producer, consumer, admin
/// client and group members work through one; several of them may share one.
public final class ClusterClient: Sendable {
    /// Requests that may wait long at the broker (fetches, joins) get connections of their own, one set per consumer or
    /// group member: a broker answers one connection's requests in order.
    enum Purpose: Hashable, Sendable {
        case general
        case dedicated(owner: UInt64)
    }

    /// What a coordinator is sought for.
    struct CoordinatorKey: Hashable, Sendable {
        enum Kind: Int8, Sendable {
            case group = 0
            case transaction = 1
        }

        var kind: Kind
        var name: String
    }

    struct ConnectionKey: Hashable {
        var address: HostPort
        var purpose: Purpose
    }

    struct Slot {
        var connection: BrokerConnection?
        var isConnecting = false
        var waiters: [@Sendable (Result<BrokerConnection, KafkaError>) -> Void] = []
        var failures = 0
        var retryAt: UInt64 = 0
    }

    struct State {
        var metadata = ClusterMetadata()
        var slots: [ConnectionKey: Slot] = [:]
        var coordinators: [CoordinatorKey: BrokerNode] = [:]
        var isClosed = false
        var everConnected = false
        var owners: UInt64 = 0
    }

    /// The configuration it was made with.
    public let configuration: ClientConfiguration
    let eventLoopGroup: any EventLoopGroup
    let logger: Logger
    let state = NIOLockedValueBox(State())
    let factory: ConnectionFactory
    let reconnectBackoff: Backoff
    let retryBackoff: Backoff

    /// Makes a client; connects when first used. Event loops are shared by all clients unless a group is given.
    public init(
        configuration: ClientConfiguration, eventLoopGroup: (any EventLoopGroup)? = nil, logger: Logger
    ) {
        self.configuration = configuration
        self.eventLoopGroup = eventLoopGroup ?? MultiThreadedEventLoopGroup.singleton
        self.logger = logger
        factory = ConnectionFactory(configuration: configuration, group: self.eventLoopGroup)
        reconnectBackoff = Backoff(
            initial: configuration.reconnectBackoff, maximum: configuration.reconnectBackoffMax)
        retryBackoff = Backoff(initial: configuration.retryBackoff, maximum: configuration.retryBackoffMax)
    }

    /// Closes all connections; calls that wait fail with ``KafkaError/Code/closed``.
    public func close() {
        let error = KafkaError.closed("the client")
        let (connections, waiters) = state.withLockedValue { state in
            state.isClosed = true
            let slots = state.slots.values
            state.slots = [:]
            return (slots.compactMap(\.connection), slots.flatMap(\.waiters))
        }
        for connection in connections { connection.close(error) }
        for waiter in waiters { waiter(.failure(error)) }
    }

    /// What is known now.
    var metadata: ClusterMetadata { state.withLockedValue { $0.metadata } }

    var isClosed: Bool { state.withLockedValue { $0.isClosed } }

    // MARK: - Calls

    /// Sends a request to one broker: connects if need be, picks the version, builds the request for it.
    ///
    /// `completion` is called exactly once, on an event loop or on the caller's thread.
    func call<R: KafkaRequest>(
        at address: HostPort, purpose: Purpose = .general, limit: Int16 = .max, atLeast floor: Int16 = 0,
        timeout: Duration? = nil, expectsResponse: Bool = true,
        build: @escaping @Sendable (Int16) -> R,
        completion: @escaping @Sendable (Result<R.Response, KafkaError>) -> Void
    ) {
        let timeout = timeout ?? configuration.requestTimeout
        connection(to: address, purpose: purpose) { result in
            switch result {
            case .failure(let error): completion(.failure(error))
            case .success(let connection):
                do throws(KafkaError) {
                    let version = try connection.versions.version(for: R.self, limit: limit, atLeast: floor)
                    connection.submit(
                        build(version), version: version, timeout: timeout, expectsResponse: expectsResponse,
                        completion: completion)
                } catch {
                    completion(.failure(error))
                }
            }
        }
    }

    /// As the other `call`, awaited.
    func call<R: KafkaRequest>(
        at address: HostPort, purpose: Purpose = .general, limit: Int16 = .max, atLeast floor: Int16 = 0,
        timeout: Duration? = nil, build: @escaping @Sendable (Int16) -> R
    ) async throws -> R.Response {
        try await awaiting { completion in
            call(
                at: address, purpose: purpose, limit: limit, atLeast: floor, timeout: timeout, build: build,
                completion: completion)
        }
    }

    /// Sends a request to whichever broker answers: known ones first, then the bootstrap servers (KIP-899).
    func callAny<R: KafkaRequest>(
        atLeast floor: Int16 = 0, timeout: Duration? = nil, build: @escaping @Sendable (Int16) -> R
    ) async throws -> R.Response {
        var failures: [String] = []
        var last: KafkaError?
        for address in try candidates() {
            do {
                return try await call(at: address, atLeast: floor, timeout: timeout, build: build)
            } catch let error as KafkaError where Self.speaksOfTheConnection(error) {
                logger.debug("broker not usable", metadata: ["broker": "\(address)", "error": "\(error)"])
                if !failures.contains(error.message) { failures.append(error.message) }
                last = error
            }
        }
        var error = last ?? KafkaError(.invalidConfiguration, "bootstrap.servers is empty")
        error.message = failures.joined(separator: "; ")
        throw error
    }

    /// Repeats `body` while it throws retriable errors, with back-off, until `timeout` (`default.api.timeout.ms`).
    func retrying<Value>(
        timeout: Duration? = nil, _ body: () async throws -> Value
    ) async throws -> Value {
        let start = ContinuousClock.now
        var failures = 0
        while true {
            do {
                return try await body()
            } catch let error as KafkaError where error.isRetriable && !isClosed {
                failures += 1
                let delay = retryBackoff.delay(afterFailures: failures)
                let elapsed = start.duration(to: .now) + delay
                guard elapsed < timeout ?? configuration.apiTimeout else { throw error }
                if error.code == .connectionFailed, elapsed > configuration.bootstrapPatience,
                    !state.withLockedValue({ $0.everConnected })
                {
                    throw error
                }
                logger.debug("retrying", metadata: ["error": "\(error)", "attempt": "\(failures)"])
                try await Task.sleep(for: delay)
            }
        }
    }

    // MARK: - Private

    private static func speaksOfTheConnection(_ error: KafkaError) -> Bool {
        error.code == .connectionFailed || error.code == .connectionClosed || error.code == .timedOut
    }

    private func candidates() throws(KafkaError) -> [HostPort] {
        let bootstrap = try configuration.bootstrapAddresses()
        return state.withLockedValue { state in
            let known = state.metadata.brokers.values.map(\.address).shuffled()
            let open = known.filter {
                state.slots[ConnectionKey(address: $0, purpose: .general)]?.connection?.isOpen == true
            }
            var seen: Set<HostPort> = []
            return (open + known + bootstrap.shuffled()).filter { seen.insert($0).inserted }
        }
    }
}
