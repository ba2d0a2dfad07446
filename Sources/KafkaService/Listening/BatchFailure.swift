/// What a batch handler throws to name the message that failed: those before it are done, it is retried or goes to
/// the retry or dead letter topic, those behind it are handed over again. Any other error is the whole batch's.
public struct BatchFailure: Error, Sendable, CustomStringConvertible {
    /// The failed message's place in the array that the handler got.
    public var index: Int
    /// Why it failed; decides whether it is retried.
    public var cause: any Error

    /// Names a failed message.
    public init(at index: Int, _ cause: any Error) {
        self.index = index
        self.cause = cause
    }

    /// The place and the cause.
    public var description: String { "message \(index) of the batch: \(cause)" }
}
