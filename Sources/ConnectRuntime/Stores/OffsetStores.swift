import NIOConcurrencyHelpers
import OrderedCollections

/// The offsets topics in use: the worker's, and those that connectors name for themselves. One that has been opened
/// stays open while the worker runs.
final class OffsetStores: Sendable {
    private struct State {
        var own: [String: Task<OffsetStore, any Error>] = [:]
        var mayWrite: (@Sendable () -> Bool)?
    }

    let worker: OffsetStore
    /// The name of the worker's topic; empty for a file.
    let workerTopic: String
    private let makeLog: @Sendable (String) -> any TopicLog
    private let state = NIOLockedValueBox(State())

    init(
        worker: OffsetStore, workerTopic: String = "",
        makeLog: @escaping @Sendable (String) -> any TopicLog = { _ in MemoryTopicLog() }
    ) {
        self.worker = worker
        self.workerTopic = workerTopic
        self.makeLog = makeLog
    }

    /// See ``OffsetStore/setFence(_:)``.
    func setFence(_ mayWrite: @escaping @Sendable () -> Bool) {
        worker.setFence(mayWrite)
        state.withLockedValue { $0.mayWrite = mayWrite }
    }

    /// The topic that a connector's offsets go to first.
    func topic(of config: ConnectorProperties) -> String {
        guard let topic = config["offsets.storage.topic"]?.trimmed, !topic.isEmpty else { return workerTopic }
        return topic
    }

    /// A connector's offsets; makes and reads its own topic if that has not been done.
    func offsets(of connector: String, _ config: ConnectorProperties) async throws -> ConnectorOffsets {
        let topic = topic(of: config)
        guard topic != workerTopic else { return ConnectorOffsets(connector: connector, worker: worker, own: nil) }
        return ConnectorOffsets(connector: connector, worker: worker, own: try await store(topic))
    }

    private func store(_ topic: String) async throws -> OffsetStore {
        let opening = state.withLockedValue { state in
            if let known = state.own[topic] { return known }
            let store = OffsetStore(log: makeLog(topic))
            if let mayWrite = state.mayWrite { store.setFence(mayWrite) }
            let opening = Task {
                try await store.start()
                return store
            }
            state.own[topic] = opening
            return opening
        }
        do {
            return try await opening.value
        } catch {
            // The next one tries again.
            state.withLockedValue { if $0.own[topic] == opening { $0.own[topic] = nil } }
            throw error
        }
    }

    func stop() async {
        let own = state.withLockedValue { $0.own }
        for opening in own.values { await (try? opening.value)?.stop() }
        await worker.stop()
    }
}
