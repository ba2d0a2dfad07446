import KafkaProtocol
import KafkaStorage
import Logging
import NIOCore

/// Coordinates the transactions of all producers. Lives on the groups' event loop, so that the offsets of a transaction
/// and its markers keep their order without a lock; `run` gets there.
final class TransactionCoordinator: Sendable {
    private let eventLoop: any EventLoop
    private let transactions: NIOLoopBoundBox<Transactions?>
    private let make: @Sendable () -> Transactions

    init(
        configuration: BrokerConfiguration, topics: TopicRegistry, groups: GroupCoordinator, flusher: LogFlusher,
        eventLoop: any EventLoop, logger: Logger
    ) {
        self.eventLoop = eventLoop
        transactions = NIOLoopBoundBox.makeEmptyBox(eventLoop: eventLoop)
        make = {
            Transactions(
                configuration: configuration,
                store: CoordinatorTopic(
                    .transactions, configuration: configuration, topics: topics, flusher: flusher,
                    eventLoop: eventLoop),
                markers: TransactionMarkers(topics: topics, groups: groups, flusher: flusher, eventLoop: eventLoop),
                topics: topics, eventLoop: eventLoop, logger: logger)
        }
    }

    /// Runs something on the coordinators' event loop, at once if that is where we are.
    func run(_ body: @escaping @Sendable (Transactions) -> Void) {
        if eventLoop.inEventLoop {
            body(current)
        } else {
            eventLoop.execute { body(self.current) }
        }
    }

    /// Ends the timers.
    func stop() async {
        try? await eventLoop.submit { self.transactions.value?.stop() }.get()
    }

    private var current: Transactions {
        if let transactions = transactions.value { return transactions }
        let made = make()
        transactions.value = made
        return made
    }
}

/// The transactions, on their event loop.
final class Transactions {
    /// A transactional id and what is under way for it.
    final class Entry {
        fileprivate(set) var transaction: Transaction
        /// Whether a state is being written or markers are: what comes meanwhile waits.
        fileprivate var isBusy = false
        fileprivate var waiting: [() -> Void] = []
        /// Partitions whose marker is not written yet, while the outcome is decided.
        fileprivate var unmarked: Set<OffsetKey> = []
        fileprivate var timer: Scheduled<Void>?

        fileprivate init(_ transaction: Transaction) { self.transaction = transaction }
    }

    typealias Done = (ErrorCode, Transaction?) -> Void

    /// Requests of one id that wait for the one before; more are told to come again.
    private static let longestQueue = 100
    private static let retryDelay = TimeAmount.milliseconds(500)

    let configuration: BrokerConfiguration
    let store: CoordinatorTopic
    private let markers: TransactionMarkers
    private let topics: TopicRegistry
    private let eventLoop: any EventLoop
    private let logger: Logger
    private(set) var entries: [String: Entry] = [:]
    private var loaded: Set<Int32> = []
    private var isStopped = false

    init(
        configuration: BrokerConfiguration, store: CoordinatorTopic, markers: TransactionMarkers, topics: TopicRegistry,
        eventLoop: any EventLoop, logger: Logger
    ) {
        self.configuration = configuration
        self.store = store
        self.markers = markers
        self.topics = topics
        self.eventLoop = eventLoop
        self.logger = logger
    }

    // MARK: Loading

    /// Reads every partition that exists: ends what was decided, watches over what is open.
    func loadAll() throws(Refusal) {
        for partition in try store.existingPartitions() { try load(partition) }
    }

    func entry(_ id: String) throws(Refusal) -> Entry? {
        try load(store.partition(of: id))
        return entries[id]
    }

    private func load(_ partition: Int32) throws(Refusal) {
        guard !loaded.contains(partition) else { return }
        var found: [String: Transaction] = [:]
        try store.replay(partition) { entry throws(WireError) in
            guard case .record(let key?, let value, _) = entry,
                let (id, transaction) = try TransactionRecords.decode(key: key, value: value)
            else { return }
            found[id] = transaction
        }
        loaded.insert(partition)
        for (id, transaction) in found {
            let entry = Entry(transaction)
            entries[id] = entry
            if transaction.isPrepared {
                entry.isBusy = true
                entry.unmarked = transaction.partitions
                finish(entry) { _, _ in }
            } else {
                watch(entry)
            }
        }
    }

    // MARK: Events

    /// InitProducerId of a transactional id.
    func initialise(_ id: String, timeout: Int32, expected: Transaction.Producer?, _ done: @escaping Done) {
        guard timeout > 0, timeout <= configuration.transactionMaxTimeout else {
            return done(.invalidTransactionTimeout, nil)
        }
        do throws(Refusal) {
            if try entry(id) == nil {
                entries[id] = Entry(
                    Transaction(id: id, producerID: try newProducerID(), timeout: timeout, now: WallClock.now()))
            }
        } catch {
            return done(error.code.forCoordinator, nil)
        }
        decide(id, done) { [self] transaction throws(Refusal) in
            try transaction.initialise(
                timeout: timeout, expected: expected, now: WallClock.now(),
                newProducerID: { () throws(Refusal) in try newProducerID() })
        }
    }

    /// Partitions become part of a transaction.
    func add(
        _ partitions: Set<OffsetKey>, to id: String, by producer: Transaction.Producer, version: Int16,
        _ done: @escaping Done
    ) {
        decide(id, done) { $0.add(partitions, by: producer, version: version, now: WallClock.now()) }
    }

    /// Tells for each partition whether the producer may write to it as part of its transaction.
    func verify(
        _ partitions: Set<OffsetKey>, of id: String, by producer: Transaction.Producer,
        _ done: @escaping ([OffsetKey: ErrorCode]) -> Void
    ) {
        var verdicts: [OffsetKey: ErrorCode] = [:]
        do throws(Refusal) {
            let transaction = try entry(id)?.transaction
            for key in partitions {
                verdicts[key] =
                    transaction == nil
                    ? .invalidProducerIdMapping : transaction?.fault(producer, writingTo: key) ?? ErrorCode.none
            }
        } catch {
            for key in partitions { verdicts[key] = error.code.forCoordinator }
        }
        done(verdicts)
    }

    /// EndTxn; with `bumpsEpoch` by the newer protocol.
    func end(
        _ id: String, by producer: Transaction.Producer, commits: Bool, bumpsEpoch: Bool, _ done: @escaping Done
    ) {
        decide(id, done) { [self] transaction throws(Refusal) in
            let now = WallClock.now()
            guard bumpsEpoch else { return transaction.endKeepingEpoch(producer, commits: commits, now: now) }
            return try transaction.endBumpingEpoch(
                producer, commits: commits, now: now,
                newProducerID: { () throws(Refusal) in try newProducerID() })
        }
    }

    /// Writes markers for another coordinator, or for who ends a transaction that no coordinator knows of.
    func writeMarkers(
        _ producer: Transaction.Producer, _ marker: EndTransactionMarker, to partitions: Set<OffsetKey>,
        _ done: @escaping ([OffsetKey: ErrorCode]) -> Void
    ) {
        markers.write(producer, marker, to: partitions, appended: { _ in }, flushed: done)
    }

    private func newProducerID() throws(Refusal) -> Int64 {
        let id = try topics.nextProducerID()
        // The block it is from is on disk before the id is written anywhere else.
        try topics.flush()
        return id
    }

    // MARK: Carrying out decisions

    private func decide(
        _ id: String, _ done: @escaping Done,
        _ decision: @escaping (Transaction) throws(Refusal) -> Transaction.Decision
    ) {
        let entry: Entry
        do throws(Refusal) {
            guard let found = try self.entry(id) else { return done(.invalidProducerIdMapping, nil) }
            entry = found
        } catch {
            return done(error.code.forCoordinator, nil)
        }
        guard !entry.isBusy else {
            guard entry.waiting.count < Self.longestQueue else { return done(.concurrentTransactions, nil) }
            return entry.waiting.append { self.decide(id, done, decision) }
        }
        do throws(Refusal) {
            switch try decision(entry.transaction) {
            case .refuse(let error): done(error, nil)
            case .unchanged: done(.none, entry.transaction)
            case .write(let next): write(next, entry, done)
            case .abortFirst(let next):
                write(next, entry) { error, _ in
                    guard error == .none else { return done(error, nil) }
                    self.decide(id, done, decision)
                }
            }
        } catch {
            done(error.code.forCoordinator, nil)
        }
    }

    /// Puts a state on disk and takes it over; if it decides a transaction, writes the markers.
    private func write(_ next: Transaction, _ entry: Entry, _ done: @escaping Done) {
        entry.isBusy = true
        let record: TransactionRecords.Encoded
        do throws(WireError) {
            record = try TransactionRecords.encode(next)
        } catch {
            release(entry)
            return done(.unknownServerError, nil)
        }
        store.append([record], group: next.id) { error in
            guard error == .none else {
                self.logger.error(
                    "a transaction's state cannot be written",
                    metadata: ["transactional-id": "\(next.id)", "error": "\(error)"])
                done(error, nil)
                return self.release(entry)
            }
            entry.transaction = next
            guard next.isPrepared else {
                self.watch(entry)
                done(.none, next)
                return self.release(entry)
            }
            entry.unmarked = next.partitions
            self.finish(entry, done)
        }
    }

    /// Writes the markers of a decided transaction and then that it is complete. The client is answered when the markers
    /// can be read; that they are on disk is waited for before the end is written.
    private func finish(_ entry: Entry, _ done: @escaping Done) {
        entry.timer?.cancel()
        entry.timer = nil
        let transaction = entry.transaction
        let completed = transaction.completed(now: WallClock.now())
        let marker = EndTransactionMarker(isCommit: transaction.state == .prepareCommit, coordinatorEpoch: 0)
        markers.write(
            transaction.producer, marker, to: entry.unmarked,
            appended: { failed in done(failed.isEmpty ? .none : .concurrentTransactions, completed) },
            flushed: { results in
                for (key, error) in results where error == .none { entry.unmarked.remove(key) }
                guard entry.unmarked.isEmpty, self.note(completed) else { return self.retry(entry) }
                entry.transaction = completed
                self.release(entry)
            })
    }

    /// Writes that a transaction is complete; nobody waits for it to be on disk. If it is lost, the markers come again.
    private func note(_ completed: Transaction) -> Bool {
        guard let record = try? TransactionRecords.encode(completed) else { return false }
        var isRefused: Bool? = false
        store.append([record], group: completed.id) { error in
            if isRefused != nil { isRefused = error != .none }
        }
        defer { isRefused = nil }
        return isRefused == false
    }

    /// A disk that does not take the markers may do so later. Until then requests are told to come again.
    private func retry(_ entry: Entry) {
        logger.warning(
            "the end of a transaction cannot be written yet",
            metadata: ["transactional-id": "\(entry.transaction.id)", "partitions": "\(entry.unmarked.count)"])
        release(entry)
        guard !isStopped else { return }
        entry.timer = eventLoop.assumeIsolated().scheduleTask(in: Self.retryDelay) {
            guard entry.transaction.isPrepared, !entry.isBusy else { return }
            entry.isBusy = true
            self.finish(entry) { _, _ in }
        }
    }

    private func release(_ entry: Entry) {
        entry.isBusy = false
        // Each either makes the entry busy again, and the rest wait on, or is answered at once.
        while !entry.isBusy, !entry.waiting.isEmpty { entry.waiting.removeFirst()() }
    }

    // MARK: Time

    /// Sets the timer that aborts an open transaction when its time is up.
    private func watch(_ entry: Entry) {
        entry.timer?.cancel()
        entry.timer = nil
        let transaction = entry.transaction
        guard transaction.state == .ongoing, !isStopped else { return }
        let left = transaction.startTimestamp + Int64(transaction.timeout) - WallClock.now()
        entry.timer = eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(max(1, left))) {
            entry.timer = nil
            self.expire(entry)
        }
    }

    private func expire(_ entry: Entry) {
        guard !entry.isBusy else { return entry.waiting.append { self.expire(entry) } }
        let transaction = entry.transaction
        guard transaction.state == .ongoing else { return }
        guard transaction.startTimestamp + Int64(transaction.timeout) <= WallClock.now() else { return watch(entry) }
        logger.info(
            "aborting a transaction whose time is up",
            metadata: ["transactional-id": "\(transaction.id)", "timeout-ms": "\(transaction.timeout)"])
        write(transaction.fenced(now: WallClock.now()), entry) { error, _ in
            guard error != .none, !self.isStopped else { return }
            entry.timer = self.eventLoop.assumeIsolated().scheduleTask(in: Self.retryDelay) { self.expire(entry) }
        }
    }

    /// Forgets ids that have not been used for `transactional.id.expiration.ms`, and keeps the topic short.
    func maintain(now: Int64) {
        let age = configuration.transactionalIDExpiration
        for (id, entry) in entries where !entry.isBusy && now - entry.transaction.updateTimestamp >= age {
            guard entry.transaction.state != .ongoing, !entry.transaction.isPrepared,
                let record = try? TransactionRecords.tombstone(id)
            else { continue }
            entries[id] = nil
            store.append([record], group: id) { _ in }
        }
        for partition in loaded { tidy(partition) }
    }

    /// As the groups do with their topic.
    private func tidy(_ partition: Int32) {
        let known = entries.filter { store.partition(of: $0.key) == partition }
        guard let log = store.openedLog(partition), !store.isAppending(to: partition), !known.isEmpty,
            log.logEndOffset - log.logStartOffset > Int64(max(configuration.offsetsTidyAfter, 4 * known.count)),
            let records = try? known.values.map({ try TransactionRecords.encode($0.transaction) })
        else { return }
        store.rewrite(log, partition, records) { [logger] error in
            logger.warning("a transactions log stays long", metadata: ["error": "\(error)"])
        }
    }

    /// Ends all timers.
    func stop() {
        isStopped = true
        for entry in entries.values {
            entry.timer?.cancel()
            entry.timer = nil
        }
    }
}
