#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Darwin)
    internal import Darwin
#endif

/// Group commit: one thread that flushes the logs for which somebody waits.
///
/// While the device works on one flush, requests for the next gather; they are all answered by one `fdatasync` per log. An
/// idle device is used at once. Under load the thread waits a moment for company: as many requests as were answered or
/// came during the last flush are likely to be there soon, and each flush costs the same however many it answers.
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
        var waiting = 0
        var isShutDown = false
        var thread: pthread_t?
    }

    /// The longest time to wait for company, in nanoseconds.
    private static let longestPause: UInt64 = 500_000
    /// Nobody is waited for when the last flush is longer ago, in nanoseconds.
    private static let longestAbsence: UInt64 = 2_000_000

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
            state.waiting += 1
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
        var company = 1
        var pause: UInt64 = 0
        var end: UInt64 = 0
        while true {
            state.wait { $0.waiting > 0 || $0.isShutDown }
            // Those who were answered long ago are not about to come again.
            if company > 1, SystemCalls.monotonicNanoseconds() - end < Self.longestAbsence {
                state.wait(for: company, atMost: pause) { $0.isShutDown ? .max : $0.waiting }
            }
            let (work, served) = state.update { state in
                defer {
                    state.queues = [:]
                    state.waiting = 0
                }
                return (Array(state.queues.values), state.waiting)
            }
            if work.isEmpty { return }
            let start = SystemCalls.monotonicNanoseconds()
            for queue in work { Self.serve(queue) }
            end = SystemCalls.monotonicNanoseconds()
            pause = min(end - start, Self.longestPause)
            company = served + state.update { $0.waiting }
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

/// A value with a lock and a condition that one thread waits for.
private final class ConditionState<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var value: Value
    /// Whether what the waiting thread waits for is there; nil if no thread waits.
    private var isReady: ((Value) -> Bool)?

    init(_ value: Value) {
        self.value = value
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Changes the value, and wakes the waiting thread if this is what it waits for.
    func update<T>(_ body: (inout Value) -> T) -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        let result = body(&value)
        if let isReady, isReady(value) {
            self.isReady = nil
            pthread_cond_signal(condition)
        }
        return result
    }

    /// Returns when `isReady` holds.
    func wait(_ isReady: @escaping (Value) -> Bool) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while !isReady(value) {
            self.isReady = isReady
            pthread_cond_wait(condition, mutex)
        }
        self.isReady = nil
    }

    /// Returns when the value counts to `target`, or after `pause` nanoseconds.
    func wait(for target: Int, atMost pause: UInt64, _ count: @escaping (Value) -> Int) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        let nanoseconds = UInt64(deadline.tv_nsec) + pause
        deadline.tv_sec += Int(nanoseconds / 1_000_000_000)
        deadline.tv_nsec = Int(nanoseconds % 1_000_000_000)
        while count(value) < target {
            isReady = { count($0) >= target }
            if pthread_cond_timedwait(condition, mutex, &deadline) != 0 { break }
        }
        isReady = nil
    }
}
