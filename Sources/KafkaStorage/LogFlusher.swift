#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif
internal import NIOConcurrencyHelpers

/// Group commit: one thread that flushes the logs for which somebody waits.
///
/// While the device works on one flush, requests for the next gather; they are all answered by one `fdatasync` per log. There
/// is no delay to wait for company: an idle device is used at once.
public final class LogFlusher: Sendable {
    /// Told once: the log is on the device up to the offset asked for, or it never will be.
    public typealias Completion = @Sendable (Result<Void, StorageError>) -> Void

    private struct Waiter {
        var offset: Int64
        var done: Completion
    }

    private struct Queue {
        var log: PartitionLog
        var waiters: [Waiter] = []
    }

    private struct State {
        var queues: [ObjectIdentifier: Queue] = [:]
        var isShutDown = false
        var thread: pthread_t?
    }

    private let state = ConditionState(State())

    /// A flusher; its thread starts with the first request.
    public init() {}

    /// Flushes `log` at least up to `offset` and then calls `done`: on the flusher's thread, or at once on the caller's if
    /// that part is on the device already or the flusher has been shut down.
    public func flush(_ log: PartitionLog, upTo offset: Int64, _ done: @escaping Completion) {
        if log.flushedOffset >= offset { return done(.success(())) }
        let refusal = state.update { state -> StorageError? in
            if state.isShutDown { return StorageError(.closed, "\(log.name): the flusher has been shut down") }
            if state.thread == nil { state.thread = Self.startThread(self) }
            if state.thread == nil { return StorageError(.io, "\(log.name): the system gives no thread to flush it") }
            state.queues[ObjectIdentifier(log), default: Queue(log: log)].waiters.append(
                Waiter(offset: offset, done: done))
            return nil
        }
        if let refusal { done(.failure(refusal)) }
    }

    /// Serves what is waiting and ends the thread. Returns when it has ended.
    public func shutdown() {
        let thread = state.update { state in
            state.isShutDown = true
            defer { state.thread = nil }
            return state.thread
        }
        if let thread, pthread_equal(thread, pthread_self()) == 0 { pthread_join(thread, nil) }
    }

    private func run() {
        while true {
            let work = state.wait { state -> [Queue]? in
                guard !state.queues.isEmpty else { return state.isShutDown ? [] : nil }
                defer { state.queues = [:] }
                return Array(state.queues.values)
            }
            if work.isEmpty { return }
            for queue in work { Self.serve(queue) }
        }
    }

    private static func serve(_ queue: Queue) {
        let target = queue.waiters.reduce(0) { max($0, $1.offset) }
        var result: Result<Void, StorageError> = .success(())
        do throws(StorageError) {
            try queue.log.flush(upTo: target)
        } catch {
            result = .failure(error)
        }
        for waiter in queue.waiters { waiter.done(result) }
    }

    private static func startThread(_ flusher: LogFlusher) -> pthread_t? {
        let argument = Unmanaged.passRetained(flusher).toOpaque()
        #if canImport(Darwin)
            var thread: pthread_t?
            let code = pthread_create(
                &thread, nil,
                { argument in
                    Unmanaged<LogFlusher>.fromOpaque(argument).takeRetainedValue().run()
                    return nil
                }, argument)
        #else
            var thread = pthread_t()
            let code = pthread_create(
                &thread, nil,
                { argument in
                    if let argument { Unmanaged<LogFlusher>.fromOpaque(argument).takeRetainedValue().run() }
                    return nil
                }, argument)
        #endif
        if code == 0 { return thread }
        Unmanaged<LogFlusher>.fromOpaque(argument).release()
        return nil
    }
}

/// A value with a lock and a condition to wait for.
private final class ConditionState<Value>: @unchecked Sendable {
    private let condition = ConditionLock(value: 0)
    private var value: Value

    init(_ value: Value) { self.value = value }

    /// Changes the value and wakes the waiting thread.
    func update<T>(_ body: (inout Value) -> T) -> T {
        condition.lock()
        defer { condition.unlock(withValue: 1) }
        return body(&value)
    }

    /// Waits until `body` gives something other than nil.
    func wait<T>(_ body: (inout Value) -> T?) -> T {
        while true {
            condition.lock(whenValue: 1)
            let result = body(&value)
            condition.unlock(withValue: result == nil ? 0 : 1)
            if let result { return result }
        }
    }
}
