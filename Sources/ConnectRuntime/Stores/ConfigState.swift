import OrderedCollections

/// What the config topic says, record by record (`KafkaConfigBackingStore`, `ClusterConfigState`).
struct ConfigState {
    /// What is known of one connector.
    struct Connector: Hashable {
        /// nil while only a target state is known: it is written before the connector when it is created.
        var config: ConnectorProperties?
        var target: TargetState?
        /// The committed task configurations.
        var tasks: [ConnectorProperties] = []
        /// The configuration when the tasks were committed.
        var applied: ConnectorProperties?
        /// Written, but not committed yet.
        var pending: [Int: ConnectorProperties] = [:]
        /// Counts the commits of task configurations.
        var generation = 0
        /// New task configurations have been committed since the last fencing round.
        var needsFencing = false
        /// A commit did not find its tasks (a worker died in between, or compaction): they must be computed again.
        var isInconsistent = false
    }

    private(set) var connectors: [String: Connector] = [:]
    private(set) var sessionKey: SessionKey?
    /// How many tasks the last fencing round was for. Outlives the connector: its tasks may, too.
    private(set) var fencedTasks: [String: Int] = [:]

    /// The stored plan of a connector; nil if there is no such connector.
    func plan(of name: String) -> ConnectorLifecycle.Plan? {
        guard let entry = connectors[name], let config = entry.config else { return nil }
        return ConnectorLifecycle.Plan(
            config: config, target: entry.target ?? .started, tasks: entry.tasks, applied: entry.applied)
    }

    /// The names of the connectors there are, sorted.
    var names: [String] { connectors.filter { $0.value.config != nil }.keys.sorted() }

    mutating func apply(_ record: ConfigRecord) {
        switch record {
        case .connector(let name, nil):
            // Task records are not tombstoned; without their connector they mean nothing.
            connectors[name] = connectors[name]?.target.map { Connector(config: nil, target: $0) }
        case .connector(let name, let config?):
            connectors[name, default: Connector()].config = config
        case .target(let name, let state):
            if state == nil, connectors[name]?.config == nil {
                connectors[name] = nil
            } else {
                connectors[name, default: Connector()].target = state
            }
        case .task(let id, let config):
            connectors[id.connector, default: Connector()].pending[id.task] = config
        case .commit(let name, let count):
            commit(name, count)
        case .fencing(let name, let count):
            fencedTasks[name] = count
            connectors[name]?.needsFencing = false
        case .sessionKey(let key):
            sessionKey = key
        case .restart, .loggerLevel:
            break
        }
    }

    private mutating func commit(_ name: String, _ count: Int) {
        guard var entry = connectors[name], entry.config != nil else {
            // Deleted and compacted: nothing of it is left worth keeping.
            connectors[name]?.pending = [:]
            return
        }
        // More may be there than the commit counts: after compaction, records of tasks that an earlier, larger commit
        // counted still come before a later, smaller one.
        if (0..<count).allSatisfy({ entry.pending[$0] != nil }) {
            entry.tasks = (0..<count).compactMap { entry.pending[$0] }
            entry.applied = entry.config
            entry.isInconsistent = false
        } else {
            entry.tasks = []
            entry.isInconsistent = true
        }
        entry.pending = [:]
        entry.needsFencing = true
        entry.generation += 1
        connectors[name] = entry
    }
}
