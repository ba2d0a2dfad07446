public import KafkaClient
public import Logging
public import ServiceLifecycle

/// What the templates and listeners of one application share: the brokers, one producer, the check of topics.
///
/// ```swift
/// let kafka = try KafkaApplication(bootstrapServers: ["localhost:9092"], name: "catalogs", logger: logger)
/// let orders = Topic("example-catalog-topic", json: Order.self)
/// let listener = kafka.listener(orders, group: "catalogs") { message in
///     try await stock.lower(message.value.productId, by: message.value.qty)
/// }
/// try await ServiceGroup(services: [kafka, listener], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
///
/// Put it first into the service group: groups shut down in reverse order, so that the producer is there to the end.
public final class KafkaApplication: Service {
    /// How to reach the cluster.
    public let client: ClientConfiguration
    /// Where it logs.
    public let logger: Logger
    /// The producer that all templates share; idempotent, `acks=all` by default.
    public let producer: KafkaProducer
    let topics: TopicCheck
    let outgoing: OutgoingQueue

    /// Makes an application; connects when something is sent or run.
    public init(
        client: ClientConfiguration, producer configure: (inout ProducerConfiguration) -> Void = { _ in },
        logger: Logger
    ) throws {
        self.client = client
        self.logger = logger
        var settings = ProducerConfiguration(client: client)
        configure(&settings)
        producer = try KafkaProducer(configuration: settings, logger: logger)
        topics = TopicCheck(client: client, logger: logger)
        outgoing = OutgoingQueue(producer: producer, logger: logger)
    }

    /// Makes an application with default settings. The name becomes `client.id`.
    public convenience init(bootstrapServers: [String], name: String, logger: Logger) throws {
        var client = ClientConfiguration(bootstrapServers: bootstrapServers)
        client.clientID = name
        try self.init(client: client, logger: logger)
    }

    /// Publishes values to a topic.
    public func template<Value: Sendable>(_ topic: Topic<Value>) -> KafkaTemplate<Value> {
        KafkaTemplate(self, topic: topic)
    }

    /// Calls a handler for each message of a topic. Nothing is read before the listener's `run()`.
    public func listener<Value: Sendable>(
        _ topic: Topic<Value>, group: String, configuration: ListenerConfiguration = ListenerConfiguration(),
        handler: @escaping @Sendable (Message<Value>) async throws -> Void
    ) -> KafkaListener<Value> {
        KafkaListener(self, topic: topic, group: group, configuration: configuration, handler: .record(handler))
    }

    /// Calls a handler for batches of messages: never empty, of one partition, in order.
    ///
    /// A handler that knows which message failed throws ``BatchFailure``. If it throws anything else, the whole batch
    /// is tried again, and in the end each of its messages alone.
    public func batchListener<Value: Sendable>(
        _ topic: Topic<Value>, group: String, configuration: ListenerConfiguration = ListenerConfiguration(),
        handler: @escaping @Sendable ([Message<Value>]) async throws -> Void
    ) -> KafkaListener<Value> {
        KafkaListener(self, topic: topic, group: group, configuration: configuration, handler: .batch(handler))
    }

    /// Sends what was published without waiting, until the service group shuts down; then sends the rest and closes
    /// the producer.
    public func run() async throws {
        await outgoing.run()
        await producer.close()
    }

    /// Ends ``run()`` where there is no service group.
    public func shutdown() { outgoing.finish() }
}
