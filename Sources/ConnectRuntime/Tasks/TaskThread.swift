import NIOConcurrencyHelpers

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// An executor with one thread of its own, so that a task may block in C calls without taking a thread from others.
///
/// The thread starts with the first job and ends once ``stop()`` has been called and no job is left. A job that comes
/// later still (a late continuation) starts it again, so no job is ever lost.
final class TaskThread: TaskExecutor {
    private struct State {
        var jobs: [UnownedJob] = []
        var hasThread = false
        var isStopped = false
    }

    private let name: String
    private let condition = ConditionLock(value: 0)
    private let state = NIOLockedValueBox(State())

    /// - Parameter name: what `top -H` shows; cut to 15 bytes.
    init(name: String) {
        self.name = name
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let mustStart = state.withLockedValue { state in
            state.jobs.append(job)
            defer { state.hasThread = true }
            return !state.hasThread
        }
        if mustStart { startThread() }
        signal()
    }

    /// Lets the thread end when it has no more to do.
    func stop() {
        state.withLockedValue { $0.isStopped = true }
        signal()
    }

    private func signal() {
        condition.lock()
        condition.unlock(withValue: 1)
    }

    /// Runs jobs until told to stop. Called on the thread.
    fileprivate func run() {
        while true {
            condition.lock(whenValue: 1)
            condition.unlock(withValue: 0)
            while true {
                let jobs = state.withLockedValue { state in
                    defer { state.jobs = [] }
                    return state.jobs
                }
                if jobs.isEmpty { break }
                for job in jobs { job.runSynchronously(on: asUnownedTaskExecutor()) }
            }
            let mustEnd = state.withLockedValue { state in
                guard state.isStopped, state.jobs.isEmpty else { return false }
                state.hasThread = false
                return true
            }
            if mustEnd { return }
        }
    }

    private func startThread() {
        let argument = Unmanaged.passRetained(ThreadStart(thread: self, name: name))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        #if canImport(Darwin)
            var thread: pthread_t?
            let result = pthread_create(&thread, &attributes, taskThreadMain, argument.toOpaque())
        #else
            var thread = pthread_t()
            let result = pthread_create(&thread, &attributes, taskThreadMain, argument.toOpaque())
        #endif
        precondition(result == 0, "the system gives no more threads (pthread_create: error \(result))")
    }
}

private final class ThreadStart {
    let thread: TaskThread
    let name: String

    init(thread: TaskThread, name: String) {
        self.thread = thread
        self.name = name
    }
}

#if canImport(Darwin)
    private func taskThreadMain(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
        pthread_setname_np(String(start.name.prefix(15)))
        start.thread.run()
        return nil
    }
#else
    private func taskThreadMain(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
        guard let argument else { return nil }
        let start = Unmanaged<ThreadStart>.fromOpaque(argument).takeRetainedValue()
        nameThread(start.name)
        start.thread.run()
        return nil
    }
#endif

/// Sets the calling thread's name. (pthread_setname_np is a GNU extension that Swift does not import.)
private func nameThread(_ name: String) {
    #if os(Linux)
        let file = open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        let bytes = Array(name.utf8.prefix(15))
        _ = write(file, bytes, bytes.count)
        close(file)
    #endif
}

/// Runs an operation on a thread of its own and waits for it; cancellation reaches the operation.
func onOwnThread<Value: Sendable>(
    name: String, _ operation: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let thread = TaskThread(name: name)
    defer { thread.stop() }
    let task = Task(executorPreference: thread) { try await operation() }
    return try await withTaskCancellationHandler {
        try await task.value
    } onCancel: {
        task.cancel()
    }
}
