import OrderedCollections

/// Connectors and tasks: what a worker runs, or what there is to run.
struct WorkShare: Sendable, Hashable {
    var connectors: Set<String> = []
    var tasks: Set<TaskID> = []

    var isEmpty: Bool { connectors.isEmpty && tasks.isEmpty }

    func union(_ other: WorkShare) -> WorkShare {
        WorkShare(connectors: connectors.union(other.connectors), tasks: tasks.union(other.tasks))
    }

    func subtracting(_ other: WorkShare) -> WorkShare {
        WorkShare(connectors: connectors.subtracting(other.connectors), tasks: tasks.subtracting(other.tasks))
    }

    func intersection(_ other: WorkShare) -> WorkShare {
        WorkShare(connectors: connectors.intersection(other.connectors), tasks: tasks.intersection(other.tasks))
    }

    func isDisjoint(with other: WorkShare) -> Bool {
        connectors.isDisjoint(with: other.connectors) && tasks.isDisjoint(with: other.tasks)
    }

    /// The names of all connectors concerned.
    var names: Set<String> { connectors.union(tasks.map(\.connector)) }
}
