/// The broker settings that have an effect here or that a single node can truthfully answer.
enum BrokerConfigKeys {
    static let own: [ConfigKey] = [
        ConfigKey("advertised.listeners", .string, nil, "Address that clients are told to use; default: `listeners`."),
        ConfigKey(
            "allow.everyone.if.no.acl.found", .boolean, "false",
            "Whether what no ACL is about is allowed to everybody."),
        ConfigKey("authorizer.class.name", .string, "", "The authoriser: Kafka's StandardAuthorizer, or none."),
        ConfigKey(
            "auto.create.topics.enable", .boolean, "true", "Create a topic when a client asks for its metadata."),
        ConfigKey("broker.id", .int, "-1", "The node's number; old name of `node.id`."),
        ConfigKey("broker.rack", .string, nil, "The rack shown in metadata."),
        ConfigKey(
            "connections.max.idle.ms", .long, "600000",
            "Connections over which nothing has gone for so long are closed; negative: none are."),
        ConfigKey(
            "connections.max.reauth.ms", .long, "0",
            "Longest time that a client with SASL is known without authenticating anew; 0: for ever."),
        ConfigKey("default.replication.factor", .int, "1", minimum: 1, "Replicas of a topic; there is one."),
        ConfigKey("delete.topic.enable", .boolean, "true", "Whether topics can be deleted."),
        ConfigKey(
            "fetch.max.bytes", .int, "57671680", minimum: 1024, "Most bytes of records in one fetch answer."),
        ConfigKey(
            "group.consumer.heartbeat.interval.ms", .int, "5000", minimum: 1,
            "Time between heartbeats that members of the consumer protocol are told."),
        ConfigKey(
            "group.consumer.max.heartbeat.interval.ms", .int, "15000", minimum: 1,
            "Largest consumer.heartbeat.interval.ms that a group may be given."),
        ConfigKey(
            "group.consumer.max.session.timeout.ms", .int, "60000", minimum: 1,
            "Largest consumer.session.timeout.ms that a group may be given."),
        ConfigKey(
            "group.consumer.max.size", .int, "2147483647", minimum: 1,
            "Most members of a group of the consumer protocol."),
        ConfigKey(
            "group.consumer.migration.policy", .string, "bidirectional",
            allowed: GroupMigrationPolicy.allCases.map(\.rawValue),
            "Whether groups with members go over between the protocols: disabled, upgrade, downgrade, bidirectional."),
        ConfigKey(
            "group.consumer.min.heartbeat.interval.ms", .int, "5000", minimum: 1,
            "Smallest consumer.heartbeat.interval.ms that a group may be given."),
        ConfigKey(
            "group.consumer.min.session.timeout.ms", .int, "45000", minimum: 1,
            "Smallest consumer.session.timeout.ms that a group may be given."),
        ConfigKey(
            "group.consumer.session.timeout.ms", .int, "45000", minimum: 1,
            "How long a member of the consumer protocol may stay silent."),
        ConfigKey(
            "group.initial.rebalance.delay.ms", .int, "0", minimum: 0,
            "How long an empty group waits for more members before its first generation. Kafka's default is 3000."),
        ConfigKey(
            "group.max.session.timeout.ms", .int, "1800000", "Longest session timeout a group member may ask for."),
        ConfigKey("group.max.size", .int, "2147483647", minimum: 1, "Most members of a group."),
        ConfigKey(
            "group.min.session.timeout.ms", .int, "6000", "Shortest session timeout a group member may ask for."),
        ConfigKey("listeners", .list, "PLAINTEXT://127.0.0.1:9092", "Addresses the broker listens on."),
        ConfigKey("log.dir", .string, "/tmp/kafka-logs", "Data folder, if `log.dirs` is not set."),
        ConfigKey("log.dirs", .string, nil, "Data folder."),
        ConfigKey(
            "log.retention.check.interval.ms", .long, "300000", minimum: 1,
            "How often old segments are looked for."),
        ConfigKey("log.retention.hours", .int, "168", "Default of retention.ms in hours."),
        ConfigKey("log.retention.minutes", .int, nil, "Default of retention.ms in minutes; beats the hours."),
        ConfigKey("log.roll.hours", .int, "168", minimum: 1, "Default of segment.ms in hours."),
        ConfigKey("log.flush.scheduler.interval.ms", .long, "9223372036854775807", "Default of flush.ms."),
        ConfigKey(
            "max.connection.creation.rate", .int, "2147483647", minimum: 0,
            "Most connections that are accepted in a second; more wait."),
        ConfigKey(
            "max.connections", .int, "2147483647", minimum: 0, "Most connections at a time; more are closed."),
        ConfigKey(
            "max.connections.per.ip", .int, "2147483647", minimum: 0,
            "Most connections from one address at a time; more are closed."),
        ConfigKey(
            "max.connections.per.ip.overrides", .string, "", "Other limits for some addresses, as address:count."),
        ConfigKey(
            "max.incremental.fetch.session.cache.slots", .int, "1000", minimum: 0,
            "Most incremental fetch sessions that are kept."),
        ConfigKey("node.id", .int, "1", minimum: 0, "The node's number."),
        ConfigKey("num.io.threads", .int, "8", minimum: 1, "Accepted for Kafka's files; event loops do this work."),
        ConfigKey("num.network.threads", .int, "1", minimum: 1, "Event loop threads."),
        ConfigKey("num.partitions", .int, "1", minimum: 1, "Partitions of a topic that does not say how many."),
        ConfigKey(
            "offset.metadata.max.bytes", .int, "4096", minimum: 0, "Longest metadata text of a committed offset."),
        ConfigKey(
            "offsets.retention.minutes", .int, "10080", minimum: 1,
            "How long the offsets of a group without members are kept."),
        ConfigKey(
            "offsets.topic.num.partitions", .int, "50", minimum: 1, "Partitions of the topic that keeps offsets."),
        ConfigKey(
            "offsets.topic.replication.factor", .short, "1", minimum: 1, "Replicas of the offsets topic: one."),
        ConfigKey("process.roles", .list, "broker,controller", "This process is broker and controller in one."),
        ConfigKey(
            "queued.max.request.bytes", .long, "-1",
            "Bytes that the requests of all connections may hold before no more are read; -1 for no limit."),
        ConfigKey(
            "quota.window.num", .int, "11", minimum: 1, "Samples that a client's rate is measured over."),
        ConfigKey("quota.window.size.seconds", .int, "1", minimum: 1, "Seconds of one sample."),
        ConfigKey(
            "sasl.enabled.mechanisms", .list, "SCRAM-SHA-512",
            "Mechanisms of listeners with SASL: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER. Kafka's default is GSSAPI."
        ),
        ConfigKey(
            "socket.receive.buffer.bytes", .int, "102400", "Size asked for the receive buffer of a connection."),
        ConfigKey("socket.request.max.bytes", .int, "104857600", minimum: 1, "Largest request taken."),
        ConfigKey("socket.send.buffer.bytes", .int, "102400", "Size asked for the send buffer of a connection."),
        ConfigKey(
            "super.users", .string, "", "Principals that may do everything, separated by semicolons."),
        ConfigKey(
            "transaction.max.timeout.ms", .int, "900000", minimum: 1,
            "Longest time that a transaction may ask to stay open for."),
        ConfigKey(
            "transaction.state.log.num.partitions", .int, "50", minimum: 1,
            "Partitions of the topic that keeps transactions."),
        ConfigKey(
            "transactional.id.expiration.ms", .int, "604800000", minimum: 1,
            "How long an unused transactional id is remembered."),
    ]

    /// Names that Kafka's own sample files carry and that a single node without ZooKeeper or quorum can pass over.
    static let accepted: Set<String> = [
        "controller.listener.names", "controller.quorum.bootstrap.servers", "controller.quorum.voters",
        "group.coordinator.rebalance.protocols", "inter.broker.listener.name", "listener.security.protocol.map",
        "log.cleaner.enable", "metadata.log.dir", "num.recovery.threads.per.data.dir", "num.replica.fetchers",
        "security.inter.broker.protocol", "share.coordinator.state.topic.min.isr",
        "share.coordinator.state.topic.replication.factor", "transaction.state.log.min.isr",
        "transaction.state.log.replication.factor",
    ]

    /// All broker settings: the own ones and the defaults of the topic settings, sorted by name.
    static let all: [ConfigKey] = {
        var keys = own
        for topicKey in TopicConfigKeys.all {
            guard let name = topicKey.brokerName else { continue }
            keys.append(
                ConfigKey(
                    name, topicKey.kind, topicKey.defaultValue, allowed: topicKey.allowed, minimum: topicKey.minimum,
                    "Default of the topic setting \(topicKey.name). \(topicKey.documentation)"))
        }
        return keys.sorted { $0.name < $1.name }
    }()

    static func key(_ name: String) -> ConfigKey? { all.first { $0.name == name } }
}
