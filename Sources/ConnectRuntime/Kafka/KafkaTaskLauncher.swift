import ConnectAPI
import KafkaClient
import Logging
import OrderedCollections

/// Runs tasks with clients of their own, made as the worker's and the connector's configurations say.
struct KafkaTaskLauncher: TaskLauncher {
    let configuration: WorkerConfiguration
    let plugins: PluginRegistry
    let offsets: OffsetStores
    let statusStore: StatusStore
    let clients: WorkerClients
    let loggers: ConnectLoggers
    let metrics: TaskMetricsRegistry

    func run(
        _ launch: TaskLaunch, control: TaskControl, thread: TaskThread,
        report: @escaping @Sendable (ConnectorLifecycle.Event) -> Void
    ) async throws {
        let className = launch.connectorConfig["connector.class"] ?? ""
        guard let plugin = plugins.connector(className) else {
            throw TaskError("there is no connector class \(className) on this worker")
        }
        let logger = loggers.logger("connect.task", ["task": "\(launch.id)"])
        let metrics = metrics.started(launch.id, plugin.connectorType, isRestart: launch.isQuiet)
        let errors = RecordErrors(
            launch.connectorConfig, control: control, logger: logger, mask: launch.mask, metrics: metrics)
        let converters = try converters(launch.connectorConfig)
        let transformations = try TransformationChain(launch.connectorConfig.plain, plugins: plugins)
        switch plugin {
        case .source(let type):
            let offsets = try await offsets.offsets(of: launch.id.connector, launch.connectorConfig)
            let environment = SourceTaskRunner.Environment(
                id: launch.id, connectorConfig: launch.connectorConfig, taskConfig: launch.taskConfig,
                converters: converters, transformations: transformations, offsets: offsets,
                statusStore: trackedStatus,
                delivery: try await delivery(launch, offsets, control, errors, metrics, logger),
                definesTransactions: configuration.exactlyOnceSource == .enabled && boundary(launch) == .connector,
                topics: topicCreation(launch), errors: errors, metrics: metrics, mask: launch.mask, logger: logger,
                isQuiet: launch.isQuiet)
            let runner = SourceTaskRunner(environment, control: control, thread: thread, report: report)
            try await runner.run(Confined(type.init().makeTask()))
        case .sink(let type):
            let environment = SinkTaskRunner.Environment(
                id: launch.id, connectorConfig: launch.connectorConfig, taskConfig: launch.taskConfig,
                converters: converters, transformations: transformations, statusStore: trackedStatus,
                consumer: try consumer(launch),
                deadLetters: try deadLetters(launch, className: type.taskClassName, metrics), errors: errors,
                metrics: metrics, mask: launch.mask, commits: commits, logger: logger, isQuiet: launch.isQuiet)
            let runner = SinkTaskRunner(environment, control: control, thread: thread, report: report)
            try await runner.run(Confined(type.init().makeTask()))
        }
    }

    var commits: CommitTiming {
        CommitTiming(
            retryInterval: configuration.offsetFlushInterval, flushTimeout: configuration.offsetFlushTimeout)
    }

    private var trackedStatus: StatusStore? { configuration.isTopicTrackingEnabled ? statusStore : nil }

    private func topicCreation(_ launch: TaskLaunch) -> any TopicCreator {
        guard configuration.isTopicCreationEnabled else { return BrokerTopicCreation() }
        return ConfiguredTopicCreation(launch.connectorConfig, admin: clients.admin) ?? BrokerTopicCreation()
    }

    // MARK: Converters

    /// The connector's converters, or the worker's.
    private func converters(_ config: ConnectorProperties) throws -> TaskConverters {
        TaskConverters(
            key: try converter("key.converter", config, configuration.keyConverter, isKey: true),
            value: try converter("value.converter", config, configuration.valueConverter, isKey: false),
            header: try headerConverter(config))
    }

    private func converter(
        _ option: String, _ config: ConnectorProperties, _ workerClass: String, isKey: Bool
    ) throws -> any Converter {
        let (type, options) = try chosen(option, config, workerClass, plugins.converter)
        let converter = type.init()
        try converter.configure(options, isKey: isKey)
        return converter
    }

    private func headerConverter(_ config: ConnectorProperties) throws -> any HeaderConverter {
        let (type, options) = try chosen(
            "header.converter", config, configuration.headerConverter, plugins.headerConverter)
        let converter = type.init()
        try converter.configure(headers: options)
        return converter
    }

    /// The plugin that the connector names, or the worker, with the options of the level that names it.
    private func chosen<Plugin>(
        _ option: String, _ config: ConnectorProperties, _ workerClass: String, _ find: (String) -> Plugin?
    ) throws -> (Plugin, options: [String: String]) {
        let given = config[option]?.trimmed
        let className = given ?? workerClass
        guard let plugin = find(className) else {
            throw TaskError("\(option)=\(className): there is no such converter")
        }
        var options: [String: String] = [:]
        for (name, value) in given == nil ? configuration.properties : config.plain {
            if let name = name.suffix(after: option + ".") { options[name] = value }
        }
        return (plugin, options)
    }

    // MARK: Clients

    private func sender(_ clientID: String, _ launch: TaskLaunch) throws -> any RecordSender {
        KafkaRecordSender(producer: try producer(clientID, launch))
    }

    /// - Parameter adjust: sets what neither the worker's nor the connector's configuration may say otherwise.
    func producer(
        _ clientID: String, _ launch: TaskLaunch, adjust: (inout ProducerConfiguration) -> Void = { _ in }
    ) throws -> KafkaProducer {
        var properties = configuration.clientProperties("producer", overriddenBy: launch.connectorConfig.plain)
        // Rows come in batches: few large requests.
        if properties["batch.size"] == nil { properties["batch.size"] = "262144" }
        let sharesConnections = sharesConnections("producer", launch)
        if properties["client.id"] == nil { properties["client.id"] = clientID }
        var producerConfiguration = try ProducerConfiguration(properties: properties)
        adjust(&producerConfiguration)
        let logger = loggers.logger("connect.producer", ["task": "\(launch.id)"])
        return sharesConnections
            ? try KafkaProducer(configuration: producerConfiguration, cluster: clients.cluster, logger: logger)
            : try KafkaProducer(configuration: producerConfiguration, logger: logger)
    }

    /// Connections are the worker's own unless a client is configured apart from it.
    private func sharesConnections(_ kind: String, _ launch: TaskLaunch) -> Bool {
        !configuration.properties.keys.contains { $0.hasPrefix(kind + ".") }
            && !launch.connectorConfig.keys.contains { $0.hasPrefix(kind + ".override.") }
    }

    private func consumer(_ launch: TaskLaunch) throws -> any SinkConsumer {
        let config = launch.connectorConfig
        var properties = configuration.clientProperties("consumer", overriddenBy: config.plain)
        properties["group.id"] = SinkGroup.name(of: launch.id.connector, config)
        properties["enable.auto.commit"] = "false"
        if properties["auto.offset.reset"] == nil { properties["auto.offset.reset"] = "earliest" }
        if properties["client.id"] == nil { properties["client.id"] = "connector-consumer-\(launch.id)" }
        // Sinks write in bulk: large puts, still bounded, whatever the number of partitions.
        let bulk = ["max.poll.records": "5000", "max.partition.fetch.bytes": "4194304", "fetch.max.bytes": "8388608"]
        properties.merge(bulk) { given, _ in given }
        // A static member: a worker that was killed and comes back goes on at once, where a new member would wait for
        // the former one's session to time out (45 s). It leaves when the task stops in good order.
        if properties["group.instance.id"] == nil { properties["group.instance.id"] = "connect-\(launch.id)" }
        let topics: KafkaSinkConsumer.Topics
        if let pattern = config["topics.regex"]?.trimmed, !pattern.isEmpty {
            topics = .pattern(pattern)
        } else {
            topics = .list(config["topics"]?.list ?? [])
        }
        let logger = loggers.logger("connect.consumer", ["task": "\(launch.id)"])
        // A consumer waits in long fetches; on shared connections others would wait behind them.
        let consumer = try KafkaConsumer(
            configuration: try ConsumerConfiguration(properties: properties), logger: logger)
        return KafkaSinkConsumer(consumer: consumer, admin: clients.admin, topics: topics)
    }

    private func deadLetters(
        _ launch: TaskLaunch, className: String, _ metrics: TaskMetrics
    ) throws -> DeadLetterQueue? {
        let config = launch.connectorConfig
        guard let topic = config["errors.deadletterqueue.topic.name"]?.trimmed, !topic.isEmpty else { return nil }
        let factor = config["errors.deadletterqueue.topic.replication.factor"].flatMap { Int16($0.trimmed) } ?? 3
        return DeadLetterQueue(
            topic: topic, hasContextHeaders: config.flag("errors.deadletterqueue.context.headers.enable"),
            id: launch.id, className: className, sender: try sender("connector-dlq-producer-\(launch.id)", launch),
            topics: DeadLetterTopicCreation(replicationFactor: factor, admin: clients.admin), metrics: metrics)
    }
}
