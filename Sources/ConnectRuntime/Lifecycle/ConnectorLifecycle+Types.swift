import OrderedCollections

// What goes into the connector's life cycle and what comes out.

extension ConnectorLifecycle {
    /// Why something ended.
    struct Failure: Error, Hashable {
        /// What the status shows; holds no secret.
        var trace: String
        /// Whether trying again later can help.
        var isRetriable: Bool
    }

    /// What is stored about the connector.
    struct Plan: Hashable {
        /// The connector's configuration.
        var config: ConnectorProperties
        /// What the user wants.
        var target: TargetState
        /// The stored task configurations, by number.
        var tasks: [ConnectorProperties]
        /// The connector's configuration at the time the tasks were stored: converters, transformations and clients of
        /// tasks follow it. nil while no tasks have been stored.
        var applied: ConnectorProperties?
        /// Grows with each commit of task configurations if a commit ends all tasks before it (exactly-once sources).
        var generation = 0

        /// The configuration that tasks run with.
        var taskRuntime: ConnectorProperties { applied ?? config }
    }

    /// What a timer is for.
    enum Timer: Hashable {
        case connector, plan, task(Int)
    }

    enum Event {
        /// The stored plan has changed, or is known for the first time.
        case planned(Plan)
        /// Which parts of the connector this worker runs.
        case shared(Share)
        case connectorStarted
        /// The start failed, or a started connector raised an error.
        case connectorFailed(Failure)
        case connectorStopped
        case reconfigurationRequested
        /// What the connector says its tasks should be.
        case tasksComputed([ConnectorProperties])
        case taskComputationFailed(Failure)
        /// The task moves data, or is ready to.
        case taskRunning(Int)
        case taskPaused(Int)
        /// The task's run is over, because it was told to stop.
        case taskStopped(Int)
        /// The task's run is over, because it could not go on.
        case taskFailed(Int, Failure)
        case restart(connector: Bool, tasks: Set<Int>)
        case timerFired(Timer)
        /// The connector has been deleted.
        case removed
        /// The worker stops.
        case shutdown
    }

    enum Action: Hashable {
        case startConnector(ConnectorProperties)
        case stopConnector
        case computeTasks
        case storeTasks([ConnectorProperties])
        /// - isQuiet: report RUNNING only after first progress (a try after a failure).
        case startTask(Int, ConnectorProperties, isPaused: Bool, isQuiet: Bool)
        case stopTask(Int)
        case pauseTask(Int)
        case resumeTask(Int)
        case connectorStatus(RunState, trace: String?)
        case taskStatus(Int, RunState, trace: String?)
        case removeTaskStatus(Int)
        /// The connector is gone: its status, its tasks' and its topics.
        case removeAllStatus
        case setTimer(Timer, Duration)
        case finished
    }

    enum ConnectorPhase: Hashable {
        case idle
        case starting
        case running
        case stopping
        case failed
    }

    enum TaskPhase: Hashable {
        case running(TaskSettings, isPaused: Bool)
        case stopping
        case failed(TaskSettings)
    }

    /// The parts of a connector that a worker runs.
    struct Share: Hashable {
        /// All parts: the worker works alone.
        static let all = Share(connector: true, tasks: nil)

        /// The connector itself.
        var connector: Bool
        /// These tasks; nil for all.
        var tasks: Set<Int>?

        func has(task id: Int) -> Bool { tasks?.contains(id) ?? true }
    }

    /// All that a task's run depends on.
    struct TaskSettings: Hashable {
        /// The task's own configuration.
        var config: ConnectorProperties
        /// What the runtime takes from the connector's configuration for it.
        var runtime: ConnectorProperties
        /// ``Plan/generation``.
        var generation = 0
    }
}

extension ConnectorLifecycle.TaskSettings {
    private static let names: Set<String> = [
        "connector.class", "topics", "topics.regex", "exactly.once.support", "offsets.storage.topic",
    ]
    private static let prefixes = [
        "key.converter", "value.converter", "header.converter", "transforms", "predicates", "errors.",
        "topic.creation.", "producer.override.", "consumer.override.", "admin.override.", "transaction.boundary",
    ]

    /// The options that the runtime itself reads when it runs a task; the others are the connector's.
    static func runtimePart(of config: ConnectorProperties) -> ConnectorProperties {
        config.filter { name, _ in names.contains(name) || prefixes.contains { name.hasPrefix($0) } }
    }
}
