import NIOConcurrencyHelpers
import NIOCore

/// The channels of a server, so that it can end in order: no new connections, running requests answered, the rest
/// closed.
final class RunningChannels: Sendable {
    /// How long requests may go on when the server stops.
    private static let grace = TimeAmount.seconds(5)

    private struct State {
        var listening: [any Channel] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
        var isClosing = false
    }

    private let state = NIOLockedValueBox(State())

    func add(listening channel: any Channel) {
        state.withLockedValue { $0.listening.append(channel) }
    }

    /// - Returns: false if the server is closing; the connection must be closed then.
    func add(connection channel: any Channel) -> Bool {
        state.withLockedValue { state in
            guard !state.isClosing else { return false }
            state.connections[ObjectIdentifier(channel)] = channel
            return true
        }
    }

    func remove(connection channel: any Channel) {
        state.withLockedValue { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    /// Returns when every channel is closed. Closing twice is closing once.
    func close() async {
        let (listening, connections, isFirst) = state.withLockedValue { state in
            defer { state.isClosing = true }
            return (state.listening, Array(state.connections.values), !state.isClosing)
        }
        if isFirst {
            for channel in listening { channel.close(promise: nil) }
            // A connection at rest closes at once; one that is answering closes after its answer
            // (HTTPServerPipelineHandler does both).
            for channel in connections { channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent()) }
        }
        let deadline = connections.first?.eventLoop.scheduleTask(in: Self.grace) {
            for channel in connections { channel.close(promise: nil) }
        }
        for channel in listening + connections {
            await withCheckedContinuation { continuation in
                channel.closeFuture.whenComplete { _ in continuation.resume() }
            }
        }
        deadline?.cancel()
    }
}
