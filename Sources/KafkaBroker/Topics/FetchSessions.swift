import KafkaProtocol
import NIOConcurrencyHelpers
import OrderedCollections

/// A partition that a fetch is about, as the client names it.
struct FetchItem: Sendable {
    /// What identifies a partition within a session: by topic id from version 13 on, by name before.
    struct Key: Hashable, Sendable {
        var topic: String
        var topicID: KafkaUUID
        var partition: Int32

        init(topic: String, topicID: KafkaUUID, partition: Int32, usesTopicIDs: Bool) {
            self.topic = usesTopicIDs ? "" : topic
            self.topicID = usesTopicIDs ? topicID : .zero
            self.partition = partition
        }
    }

    var key: Key
    var request: FetchRequest.FetchTopic.FetchPartition
}

/// What a fetch reads, and what becomes of the session that it belongs to.
struct FetchScope: Sendable {
    enum Kind: Sendable {
        /// No session is wanted.
        case sessionless
        /// The client asks for a session over these partitions.
        case new
        /// All of a session's partitions are read, and those answered that have news.
        case incremental(session: Int32, epoch: Int32)
    }

    var kind: Kind
    var items: [FetchItem]
    /// Whether the request names topics by id.
    var usesTopicIDs: Bool
}

/// The incremental fetch sessions of KIP-227: a client with many partitions names them once, then only what changes;
/// answers hold only partitions with records or other news.
///
/// Bounded by sessions and by partitions; a client that gets no session (id 0) goes on with full requests.
final class FetchSessions: Sendable {
    /// Partitions that all sessions together may hold, some 150 bytes each.
    static let maximumPartitions = 200_000
    /// A session may be given up for another client's if it was not used for this many ms, as in Kafka.
    static let evictionAge: Int64 = 120_000

    private struct Entry {
        var request: FetchRequest.FetchTopic.FetchPartition
        var highWatermark: Int64 = -1
        var logStartOffset: Int64 = -1
    }

    private struct Session {
        var epoch: Int32 = 1
        var usesTopicIDs: Bool
        /// Whose it is; nobody else may use or close it.
        let principal: Principal
        var entries: OrderedDictionary<FetchItem.Key, Entry> = [:]
        /// Where the next fetch begins to read, so that no partition starves behind busy ones.
        var first = 0
        var lastUsed: Int64
    }

    private struct State {
        var sessions: [Int32: Session] = [:]
        var partitions = 0

        mutating func remove(_ id: Int32) {
            partitions -= sessions.removeValue(forKey: id)?.entries.count ?? 0
        }
    }

    private let slots: Int
    private let state = NIOLockedValueBox(State())

    init(slots: Int) { self.slots = slots }

    /// What a request is about.
    ///
    /// - Throws: `Refusal` if the session is not known or the request is not its next one; the client begins anew then.
    func begin(
        _ request: FetchRequest, version: Int16, principal: Principal = .anonymous, now: Int64
    ) throws(Refusal) -> FetchScope {
        let usesTopicIDs = version >= 13
        let named = Self.items(of: request, usesTopicIDs: usesTopicIDs)
        if request.sessionEpoch <= 0 {
            if request.sessionId != 0 {
                state.withLockedValue { state in
                    if state.sessions[request.sessionId]?.principal == principal { state.remove(request.sessionId) }
                }
            }
            let isNew = version >= 7 && request.sessionEpoch == 0
            return FetchScope(kind: isNew ? .new : .sessionless, items: named, usesTopicIDs: usesTopicIDs)
        }
        let result: Result<FetchScope, Refusal> = state.withLockedValue { state in
            guard var session = state.sessions[request.sessionId], session.principal == principal else {
                return .failure(Refusal(.fetchSessionIdNotFound, "no fetch session \(request.sessionId)"))
            }
            guard session.epoch == request.sessionEpoch else {
                return .failure(
                    Refusal(
                        .invalidFetchSessionEpoch, "epoch \(request.sessionEpoch) where \(session.epoch) was expected"))
            }
            guard session.usesTopicIDs == usesTopicIDs else {
                return .failure(Refusal(.fetchSessionTopicIdError, "a session names topics in one way"))
            }
            state.sessions[request.sessionId] = nil
            let before = session.entries.count
            Self.update(&session, with: named, forgetting: request.forgottenTopicsData)
            state.partitions += session.entries.count - before
            guard !session.entries.isEmpty, state.partitions <= Self.maximumPartitions else {
                state.partitions -= session.entries.count
                let items = session.entries.map { FetchItem(key: $0.key, request: $0.value.request) }
                return .success(FetchScope(kind: .sessionless, items: items, usesTopicIDs: usesTopicIDs))
            }
            session.epoch = session.epoch == Int32.max ? 1 : session.epoch + 1
            session.lastUsed = now
            state.sessions[request.sessionId] = session
            return .success(
                FetchScope(
                    kind: .incremental(session: request.sessionId, epoch: session.epoch),
                    items: Self.rotated(session), usesTopicIDs: usesTopicIDs))
        }
        return try result.get()
    }

    /// Settles a fetch: the session id to answer, and which of the partitions belong into the answer; nil for all.
    ///
    /// - Parameters:
    ///   - found: one for each item of the scope, in its order.
    ///   - hasRecords: whether the answer of the partition at a position carries records.
    func finish(
        _ scope: FetchScope, found: [FetchResponse.FetchableTopicResponse.PartitionData],
        principal: Principal = .anonymous, now: Int64, hasRecords: (Int) -> Bool
    ) throws(Refusal) -> (session: Int32, isIncluded: [Bool]?) {
        switch scope.kind {
        case .sessionless:
            return (0, nil)
        case .new:
            return (create(scope, found: found, principal, now: now), nil)
        case .incremental(let id, let epoch):
            let news: [Bool]? = state.withLockedValue { state in
                // Taken out while it changes, so that it is not copied.
                guard state.sessions[id]?.epoch == epoch, var session = state.sessions.removeValue(forKey: id) else {
                    return nil
                }
                defer { state.sessions[id] = session }
                return scope.items.indices.map { index in
                    Self.settle(&session, scope.items[index].key, found[index], hasRecords: hasRecords(index))
                }
            }
            guard let news else { throw Refusal(.fetchSessionIdNotFound, "the fetch session \(id) was given up") }
            return (id, news)
        }
    }

    /// How many sessions and partitions are held.
    var count: (sessions: Int, partitions: Int) { state.withLockedValue { ($0.sessions.count, $0.partitions) } }

    // MARK: Parts

    private func create(
        _ scope: FetchScope, found: [FetchResponse.FetchableTopicResponse.PartitionData], _ principal: Principal,
        now: Int64
    ) -> Int32 {
        var session = Session(usesTopicIDs: scope.usesTopicIDs, principal: principal, lastUsed: now)
        for (item, answer) in zip(scope.items, found) {
            session.entries[item.key] = Entry(
                request: item.request, highWatermark: answer.highWatermark, logStartOffset: answer.logStartOffset)
        }
        guard !session.entries.isEmpty else { return 0 }
        return state.withLockedValue { state in
            if state.sessions.count >= slots {
                guard let oldest = state.sessions.min(by: { $0.value.lastUsed < $1.value.lastUsed }),
                    now - oldest.value.lastUsed > Self.evictionAge
                else { return 0 }
                state.remove(oldest.key)
            }
            guard state.partitions + session.entries.count <= Self.maximumPartitions else { return 0 }
            var id: Int32
            repeat { id = Int32.random(in: 1...Int32.max) } while state.sessions[id] != nil
            state.sessions[id] = session
            state.partitions += session.entries.count
            return id
        }
    }

    /// Notes what a partition's answer says, and tells whether it is news.
    private static func settle(
        _ session: inout Session, _ key: FetchItem.Key, _ answer: FetchResponse.FetchableTopicResponse.PartitionData,
        hasRecords: Bool
    ) -> Bool {
        guard let index = session.entries.index(forKey: key) else { return true }
        var entry = session.entries.values[index]
        let isFailed = answer.errorCode != .none
        let isChanged =
            entry.highWatermark != answer.highWatermark || entry.logStartOffset != answer.logStartOffset
        if isFailed || isChanged {
            // After an error the next good answer counts as news.
            entry.highWatermark = isFailed ? -1 : answer.highWatermark
            entry.logStartOffset = answer.logStartOffset
            session.entries.values[index] = entry
        }
        if hasRecords { session.first = index + 1 }
        return isFailed || isChanged || hasRecords
    }

    private static func update(
        _ session: inout Session, with named: [FetchItem], forgetting forgotten: [FetchRequest.ForgottenTopic]
    ) {
        for item in named { session.entries[item.key, default: Entry(request: item.request)].request = item.request }
        guard !forgotten.isEmpty else { return }
        let gone = Set(
            forgotten.flatMap { topic in
                topic.partitions.map { partition in
                    FetchItem.Key(
                        topic: topic.topic, topicID: topic.topicId, partition: partition,
                        usesTopicIDs: session.usesTopicIDs)
                }
            })
        session.entries.removeAll { gone.contains($0.key) }
    }

    private static func rotated(_ session: Session) -> [FetchItem] {
        let items = session.entries.map { FetchItem(key: $0.key, request: $0.value.request) }
        let first = session.first % max(items.count, 1)
        return first == 0 ? items : Array(items[first...] + items[..<first])
    }

    private static func items(of request: FetchRequest, usesTopicIDs: Bool) -> [FetchItem] {
        request.topics.flatMap { topic in
            topic.partitions.map { partition in
                FetchItem(
                    key: FetchItem.Key(
                        topic: topic.topic, topicID: topic.topicId, partition: partition.partition,
                        usesTopicIDs: usesTopicIDs),
                    request: partition)
            }
        }
    }
}
