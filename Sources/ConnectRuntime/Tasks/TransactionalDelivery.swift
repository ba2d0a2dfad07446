import ConnectAPI
import KafkaClient
import KafkaProtocol
import Logging
import NIOConcurrencyHelpers
import NIOCore
import OrderedCollections

/// A producer of transactions, as ``TransactionalDelivery`` uses it.
protocol TransactionalSender: Sendable {
    /// Begins a transaction.
    func begin() throws
    /// Takes records into the open transaction; they are on their way when this returns.
    func add(_ records: [ProducerRecord]) async throws
    /// Returns when all records have arrived and the transaction has ended for good.
    func commit() async throws
    /// Gives the transaction up.
    func abort() async throws
    /// Lets go; gives an open transaction up.
    func close() async
}

/// Exactly once (KIP-618): records and the offsets that belong to them are written in one transaction. Whoever starts
/// the task anew shuts this producer out, and goes on at the offset of the last transaction that was committed.
///
/// Offsets go into the transaction at its end, so that other readers of the offsets topic are hardly ever held up.
final class TransactionalDelivery: SourceDelivery {
    /// When transactions end.
    enum Boundary: Sendable, Hashable {
        /// After each part.
        case part
        /// When this time is over, also if nothing more comes.
        case interval(Duration)
        /// When the task says so.
        case task
    }

    struct Configuration: Sendable {
        var boundary: Boundary
        /// The topic that the transaction's offsets are written to.
        var offsetsTopic: String
    }

    private struct State {
        var isOpen = false
        /// Counts transactions, so that a timer knows its own.
        var number = 0
        var offsets: OrderedDictionary<ByteBuffer, ByteBuffer?> = [:]
        /// How many records are in the transaction.
        var size = 0
        var timer: Task<Void, Never>?
        var isClosed = false
    }

    private let configuration: Configuration
    private let sender: any TransactionalSender
    /// Copies offsets to the worker's topic, if the connector has its own. Beside the transaction, as Kafka's.
    private let copy: EagerCommitter<ByteBuffer, ByteBuffer?>?
    private let metrics: TaskMetrics
    private let onFailure: @Sendable (any Error) -> Void
    private let gate = SerialGate()
    private let state = NIOLockedValueBox(State())

    /// - Parameter onFailure: told when a transaction fails that ends by itself.
    init(
        _ configuration: Configuration, sender: any TransactionalSender,
        copy: EagerCommitter<ByteBuffer, ByteBuffer?>?, metrics: TaskMetrics,
        onFailure: @escaping @Sendable (any Error) -> Void
    ) {
        self.configuration = configuration
        self.sender = sender
        self.copy = copy
        self.metrics = metrics
        self.onFailure = onFailure
    }

    func deliver(_ part: SourcePart) async throws {
        try await exclusively {
            if !part.records.isEmpty || !part.offsets.isEmpty {
                try begin()
                try await sender.add(part.records)
                state.withLockedValue { state in
                    state.offsets.merge(part.offsets) { $1 }
                    state.size += part.records.count
                }
            }
            switch configuration.boundary {
            case .part: try await commit()
            case .interval: break
            case .task:
                switch part.end {
                case .commit?: try await commit()
                case .abort?: try await abort()
                case nil: break
                }
            }
        }
    }

    var isClean: Bool { get async { state.withLockedValue { !$0.isOpen } } }

    /// A transaction that the task has not ended stays open: it cannot be known where it may be cut.
    func flush() async throws {
        guard configuration.boundary != .task else { return }
        try await exclusively { try await commit() }
        try await copy?.flush()
    }

    func close() async {
        let timer = state.withLockedValue { state in
            state.isClosed = true
            return state.timer
        }
        timer?.cancel()
        await gate.run {
            await copy?.close()
            await sender.close()
        }
    }

    // MARK: Transactions. Only within the gate.

    private func exclusively(_ operation: () async throws -> Void) async throws {
        do {
            try await gate.run(operation)
        } catch let error as KafkaError {
            throw TaskError("the transaction failed: \(error)", isRetriable: error.endsWithANewStart)
        }
    }

    private func begin() throws {
        guard state.withLockedValue({ !$0.isOpen }) else { return }
        try sender.begin()
        let number = state.withLockedValue { state in
            state.isOpen = true
            state.number += 1
            return state.number
        }
        guard case .interval(let interval) = configuration.boundary else { return }
        let timer = Task { [weak self] in
            do { try await Task.sleep(for: interval) } catch { return }
            await self?.intervalIsOver(number)
        }
        state.withLockedValue { $0.timer = timer }
    }

    private func intervalIsOver(_ number: Int) async {
        do {
            try await exclusively {
                let isDue = state.withLockedValue { state in
                    guard state.isOpen, state.number == number, !state.isClosed else { return false }
                    // This is the timer: who cancels it now would cancel the commit.
                    state.timer = nil
                    return true
                }
                if isDue { try await commit() }
            }
        } catch {
            onFailure(error)
        }
    }

    private func commit() async throws {
        let (isOpen, offsets, timer) = state.withLockedValue { ($0.isOpen, $0.offsets, $0.timer) }
        guard isOpen else { return }
        timer?.cancel()
        if !offsets.isEmpty {
            try await sender.add(
                offsets.map { ProducerRecord(topic: configuration.offsetsTopic, key: $0.key, value: $0.value) })
        }
        try await metrics.commit { try await sender.commit() }
        let size = state.withLockedValue { state in
            defer { state.size = 0 }
            state.isOpen = false
            state.offsets = [:]
            return state.size
        }
        metrics.update { values in
            values.written += Int64(size)
            values.transactions.add(Double(size))
        }
        await copy?.commit(offsets)
    }

    /// The records are gone, their offsets are stored: the task goes on behind them.
    private func abort() async throws {
        guard state.withLockedValue({ $0.isOpen }) else { return }
        try await sender.abort()
        let hasOffsets = state.withLockedValue { state in
            state.isOpen = false
            state.size = 0
            return !state.offsets.isEmpty
        }
        guard hasOffsets else { return }
        try begin()
        try await commit()
    }
}

/// A task's transactional producer.
struct KafkaTransactionalSender: TransactionalSender {
    let producer: KafkaProducer

    func begin() throws { try producer.beginTransaction() }

    func add(_ records: [ProducerRecord]) async throws { try await producer.enqueue(contentsOf: records) }

    func commit() async throws { try await producer.commitTransaction() }

    func abort() async throws { try await producer.abortTransaction() }

    func close() async { await producer.close(timeout: .seconds(5)) }
}

extension KafkaError {
    /// Whether the task may go on with a new producer, at the last committed offset: all that time mends, and being
    /// shut out. A worker that has lost the task is told so when it tries.
    var endsWithANewStart: Bool {
        if code == .fenced || isRetriable { return true }
        switch errorCode {
        case .invalidProducerEpoch?, .invalidTxnState?, .invalidProducerIdMapping?, .unknownProducerId?,
            .outOfOrderSequenceNumber?, .concurrentTransactions?:
            return true
        case let code?: return code.isRetriable
        case nil: return [.connectionFailed, .connectionClosed, .timedOut, .transactionAborted].contains(code)
        }
    }
}
