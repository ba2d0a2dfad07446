import NIOConcurrencyHelpers

/// Holds clients to their quotas (KIP-13, KIP-55, KIP-257, KIP-599): says how long one that has used too much has to wait.
final class QuotaManager: Sendable {
    /// What is limited.
    enum Kind: String, Sendable {
        case produce = "producer_byte_rate"
        case fetch = "consumer_byte_rate"
        case mutation = "controller_mutation_rate"
    }

    /// Who shares a limit: all connections of a user, of a client id, or of a client id of a user.
    private struct Share: Hashable {
        var kind: Kind
        var user: String?
        var clientID: String?
    }

    private struct State {
        var limits: [ClientQuotas.Entity: [String: Double]] = [:]
        var meters: [Share: RateMeter] = [:]
        var buckets: [Share: TokenBucket] = [:]
    }

    /// Shares that are remembered; those not used for longest go first.
    private static let mostShares = 10_000

    private let windows: RateMeter.Windows
    private let state = NIOLockedValueBox(State())

    init(windows: RateMeter.Windows = .init()) {
        self.windows = windows
    }

    /// All limits.
    var limits: [ClientQuotas.Entity: [String: Double]] { state.withLockedValue { $0.limits } }

    /// Sets the limits of an entity; none removes it.
    func set(_ limits: [String: Double], of entity: ClientQuotas.Entity) {
        state.withLockedValue { $0.limits[entity] = limits.isEmpty ? nil : limits }
    }

    /// Counts bytes; the milliseconds that the client has to wait.
    func record(_ kind: Kind, bytes: Int, user: String, clientID: String, now: Int64) -> Int32 {
        state.withLockedValue { state in
            guard !state.limits.isEmpty, let (limit, share) = Self.find(kind, user, clientID, state.limits) else {
                return 0
            }
            makeRoom(&state)
            var meter = state.meters[share] ?? RateMeter(windows)
            meter.record(Double(bytes), now: now)
            let wait = meter.throttle(limit: limit, now: now)
            state.meters[share] = meter
            return Int32(clamping: wait)
        }
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
