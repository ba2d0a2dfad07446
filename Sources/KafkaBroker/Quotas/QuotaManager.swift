import NIOConcurrencyHelpers
import Synchronization

/// Holds clients to their quotas (KIP-13, 55, 124, 257, 599, 612): says how long one that has used too much has to wait.
final class QuotaManager: Sendable {
    /// What is limited.
    enum Kind: String, Sendable {
        case produce = "producer_byte_rate"
        case fetch = "consumer_byte_rate"
        case mutation = "controller_mutation_rate"
        case request = "request_percentage"
        case connection = "connection_creation_rate"
    }

    /// Who shares a limit: all connections of a user, of a client id, of a client id of a user, or from an address.
    private struct Share: Hashable {
        var kind: Kind
        var user: String?
        var clientID: String?
        var address: String?
    }

    private struct State {
        var limits: [ClientQuotas.Entity: [String: Double]] = [:]
        /// Which kinds have a limit at all.
        var kinds: Set<String> = []
        var meters: [Share: RateMeter] = [:]
        var buckets: [Share: TokenBucket] = [:]
    }

    /// Shares that are remembered; those not used for longest go first.
    private static let mostShares = 10_000

    private let windows: RateMeter.Windows
    private let state = NIOLockedValueBox(State())
    /// Asked for every request: without the lock.
    private let isRequestLimited = Atomic(false)

    init(windows: RateMeter.Windows = .init()) {
        self.windows = windows
    }

    /// All limits.
    var limits: [ClientQuotas.Entity: [String: Double]] { state.withLockedValue { $0.limits } }

    /// Sets the limits of an entity; none removes it.
    func set(_ limits: [String: Double], of entity: ClientQuotas.Entity) {
        state.withLockedValue { state in
            state.limits[entity] = limits.isEmpty ? nil : limits
            state.kinds = Set(state.limits.values.flatMap(\.keys))
            isRequestLimited.store(state.kinds.contains(Kind.request.rawValue), ordering: .relaxed)
        }
    }

    /// Whether the time of requests has to be measured.
    var limitsRequests: Bool { isRequestLimited.load(ordering: .relaxed) }

    /// Counts bytes; the milliseconds that the client has to wait.
    func record(_ kind: Kind, bytes: Int, user: String, clientID: String, now: Int64) -> Int32 {
        record(kind, Double(bytes), user, clientID, now: now)
    }

    /// Counts time that a request has kept a thread busy; the milliseconds that the client has to wait, at most a window
    /// (KIP-124). The limit is in hundredths of a thread.
    func recordRequest(nanoseconds: Int64, user: String, clientID: String, now: Int64) -> Int32 {
        let wait = record(.request, Double(nanoseconds) * 100 / 1_000_000_000, user, clientID, now: now)
        return min(wait, Int32(clamping: windows.size))
    }

    /// Counts a connection from an address; 0 if it may stay, or the milliseconds that it is held for, at most a window,
    /// before it is closed (KIP-612). One that is closed does not count.
    func takeConnection(from address: String, now: Int64) -> Int32 {
        state.withLockedValue { state in
            let name = Kind.connection.rawValue
            guard state.kinds.contains(name) else { return 0 }
            let none: String? = nil
            guard let limit = state.limits[["ip": address]]?[name] ?? state.limits[["ip": none]]?[name] else {
                return 0
            }
            let share = Share(kind: .connection, address: address)
            let wait = count(1, share, limit, &state, now: now)
            if wait > 0 { state.meters[share]?.record(-1, now: now) }
            return min(wait, Int32(clamping: windows.size))
        }
    }

    private func record(_ kind: Kind, _ amount: Double, _ user: String, _ clientID: String, now: Int64) -> Int32 {
        state.withLockedValue { state in
            guard state.kinds.contains(kind.rawValue),
                let (limit, share) = Self.find(kind, user, clientID, state.limits)
            else { return 0 }
            return count(amount, share, limit, &state, now: now)
        }
    }

    private func count(_ amount: Double, _ share: Share, _ limit: Double, _ state: inout State, now: Int64) -> Int32 {
        makeRoom(&state)
        var meter = state.meters[share] ?? RateMeter(windows)
        meter.record(amount, now: now)
        let wait = meter.throttle(limit: limit, now: now)
        state.meters[share] = meter
        return Int32(clamping: wait)
    }

    /// Takes back what was counted and is not sent after all.
    func unrecord(_ kind: Kind, bytes: Int, user: String, clientID: String, now: Int64) {
        state.withLockedValue { state in
            guard let (_, share) = Self.find(kind, user, clientID, state.limits) else { return }
            state.meters[share]?.record(-Double(bytes), now: now)
        }
    }

    /// The most bytes that fit into the windows at once; nil without a limit. An answer must not be larger, or it could
    /// never be given.
    func largest(_ kind: Kind, user: String, clientID: String) -> Int? {
        state.withLockedValue { state in
            guard !state.limits.isEmpty, let (limit, _) = Self.find(kind, user, clientID, state.limits) else {
                return nil
            }
            return max(1, Int(min(limit * windows.span, Double(Int32.max))))
        }
    }

    /// Asks to change topics by this many partitions; 0, or the milliseconds until it may be tried again.
    func takeMutations(_ count: Int, user: String, clientID: String, now: Int64) -> Int32 {
        state.withLockedValue { state in
            guard !state.limits.isEmpty, let (limit, share) = Self.find(.mutation, user, clientID, state.limits) else {
                return 0
            }
            makeRoom(&state)
            var bucket = state.buckets[share] ?? TokenBucket(limit: limit, windows, now: now)
            let wait = bucket.take(Double(count), limit: limit, windows, now: now)
            state.buckets[share] = bucket
            return Int32(clamping: wait)
        }
    }

    private func makeRoom(_ state: inout State) {
        if state.meters.count > Self.mostShares {
            let keep = state.meters.sorted { $0.value.lastUse > $1.value.lastUse }.prefix(Self.mostShares / 2)
            state.meters = Dictionary(uniqueKeysWithValues: keep.map { ($0.key, $0.value) })
        }
        if state.buckets.count > Self.mostShares {
            let keep = state.buckets.sorted { $0.value.lastUse > $1.value.lastUse }.prefix(Self.mostShares / 2)
            state.buckets = Dictionary(uniqueKeysWithValues: keep.map { ($0.key, $0.value) })
        }
    }

    /// The limit that is for a client, the nearest first (KIP-55), and who shares it with it.
    private static func find(
        _ kind: Kind, _ user: String, _ clientID: String, _ limits: [ClientQuotas.Entity: [String: Double]]
    ) -> (Double, Share)? {
        let none: String? = nil
        let both = Share(kind: kind, user: user, clientID: clientID)
        let ofUser = Share(kind: kind, user: user, clientID: nil)
        let ofClient = Share(kind: kind, user: nil, clientID: clientID)
        let order: [(ClientQuotas.Entity, Share)] = [
            (["user": user, "client-id": clientID], both), (["user": user, "client-id": none], both),
            (["user": user], ofUser), (["user": none, "client-id": clientID], both),
            (["user": none, "client-id": none], both), (["user": none], ofUser),
            (["client-id": clientID], ofClient), (["client-id": none], ofClient),
        ]
        for (entity, share) in order {
            if let limit = limits[entity]?[kind.rawValue] { return (limit, share) }
        }
        return nil
    }
}
