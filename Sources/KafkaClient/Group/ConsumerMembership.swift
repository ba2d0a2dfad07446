import KafkaProtocol

/// What a consumer has subscribed to.
struct ConsumerSubscription: Sendable {
    /// Names, given or found.
    var topics: [String]
    /// Whose matches among the cluster's topics are `topics`.
    var pattern: TopicPattern?
    /// The pattern is left to the coordinator (KIP-848).
    var serverPattern: String?
}

/// A consumer's membership, in a group of either protocol.
enum ConsumerMembership: Sendable {
    case classic(GroupMembership)
    case consumer(ConsumerGroupMembership)

    var credentials: (memberID: String, generation: Int32)? {
        switch self {
        case .classic(let member): member.credentials
        case .consumer(let member): member.credentials
        }
    }

    var isStable: Bool {
        switch self {
        case .classic(let member): member.isStable
        case .consumer(let member): member.isStable
        }
    }

    func subscriptionChanged(_ subscription: ConsumerSubscription, reason: String) {
        switch self {
        case .classic(let member): member.requestRejoin(reason: reason)
        case .consumer(let member): member.subscriptionChanged(subscription)
        }
    }

    func expelled(reason: String) {
        switch self {
        case .classic(let member): member.expelled(reason: reason)
        case .consumer(let member): member.expelled(reason: reason)
        }
    }

    func leave(reason: String, evenIfStatic: Bool) async {
        switch self {
        case .classic(let member): await member.leave(reason: reason, evenIfStatic: evenIfStatic)
        case .consumer(let member): await member.leave(evenIfStatic: evenIfStatic)
        }
    }
}
