import Foundation
import KafkaProtocol
import KafkaTesting
import NIOCore
import Testing

@testable import KafkaBroker

/// Sessions of clients with SASL that end (KIP-368).
@Suite("Re-authentication", .serialized)
struct ReauthenticationTests {
    private static let properties = [
        "listeners": "SASL_PLAINTEXT://127.0.0.1:0", "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config":
            #"org.apache.kafka.common.security.plain.PlainLoginModule required user_alice="a" user_carl="c";"#,
    ]

    @Test("The nearest setting counts")
    func settings() throws {
        let name = "connections.max.reauth.ms"
        func times(_ more: [String: String]) throws -> [String: Int64] {
            try BrokerConfiguration(properties: Self.properties.merging(more) { $1 }).listeners[0].maxReauth
        }
        #expect(try times([:]) == [:])
        #expect(try times([name: "5"]) == ["PLAIN": 5, "SCRAM-SHA-256": 5])
        let prefix = "listener.name.sasl_plaintext."
        #expect(
            try times([name: "5", prefix + name: "6", prefix + "plain." + name: "7"])
                == ["PLAIN": 7, "SCRAM-SHA-256": 6])
    }

    /// The transcript of KIP-368: the same mechanism and user, once a second at most; after the end nothing else.
    @Test("A session is renewed by the same user and mechanism only")
    func session() throws {
        let more = ["connections.max.reauth.ms": "5000"]
        let configuration = try BrokerConfiguration(properties: Self.properties.merging(more) { $1 })
        func authenticated() -> SaslSession {
            var session = SaslSession(configuration.listeners[0])
            #expect(session.handshake("PLAIN", now: 0) == nil)
            #expect(logIn(&session, "alice", "a", now: 0) == nil && session.lifetime == 5000)
            return session
        }
        func logIn(_ session: inout SaslSession, _ user: String, _ password: String, now: Int64) -> String? {
            let message = Array("\0\(user)\0\(password)".utf8)
            let step = session.authenticate(message, now: now, credential: { _, _ in nil })
            if case .refuse(_, let words) = step { return words }
            return nil
        }
        var session = authenticated()
        #expect(session.allows(.produce, now: 4999) && !session.allows(.produce, now: 5000))
        #expect(session.allows(.saslHandshake, now: 5000) && !session.allows(.apiVersions, now: 5000))
        #expect(session.handshake("PLAIN", now: 4000) == nil)
        #expect(!session.allows(.produce, now: 4000) && session.allows(.saslAuthenticate, now: 4000))
        #expect(logIn(&session, "alice", "a", now: 4100) == nil && session.allows(.produce, now: 9099))
        #expect(session.handshake("PLAIN", now: 4500) == .illegalSaslState)
        #expect(session.handshake("PLAIN", now: 6000) == nil)
        #expect(logIn(&session, "carl", "c", now: 6000)?.contains("Cannot change principals") == true)
        #expect(!session.allows(.produce, now: 6000) && !session.isAuthenticated)

        var other = authenticated()
        #expect(other.handshake("SCRAM-SHA-256", now: 2000) == nil)
        #expect(logIn(&other, "alice", "a", now: 2000)?.contains("not supported for re-authentication") == true)

        // Without an end there is nothing to renew.
        var endless = SaslSession(try BrokerConfiguration(properties: Self.properties).listeners[0])
        #expect(endless.handshake("PLAIN", now: 0) == nil)
        #expect(logIn(&endless, "alice", "a", now: 0) == nil && endless.lifetime == 0)
        #expect(endless.handshake("PLAIN", now: 9000) == .illegalSaslState && endless.allows(.produce, now: 1 << 50))
    }

    @Test("A client is told how long it is known, goes on when it logs in anew, and is cut off if it does not")
    func wire() async throws {
        let more = ["connections.max.reauth.ms": "1500", "connections.max.idle.ms": "4000"]
        let broker = try await TestBroker.start(properties: Self.properties.merging(more) { $1 })
        let faithful = try RawConnection(port: broker.port)
        let forgetful = try RawConnection(port: broker.port)
        #expect(try forgetful.logIn("alice", "a").sessionLifetimeMs == 1500)
        #expect(try faithful.logIn("alice", "a").sessionLifetimeMs == 1500)
        try faithful.createTopic("t")
        let start = ContinuousClock.now
        // Its session ends while it waits.
        let wait = RawConnection.fetchRequest("t", offset: 0, maxWait: 1600)
        _ = try faithful.call(wait, version: 12)
        let renewed = try faithful.logIn("alice", "a")
        #expect(renewed.errorCode == .none && renewed.sessionLifetimeMs == 1500)
        _ = try faithful.call(MetadataRequest(), version: 12)
        #expect(ContinuousClock.now - start >= .milliseconds(1500))
        try forgetful.send(MetadataRequest(), version: 12)
        #expect(forgetful.isClosedByPeer())
        // One that has logged in and says nothing is closed when its time is over, too.
        #expect(faithful.isClosedByPeer())
        await broker.stop()
    }

    @Test("A fetch session is of use to its owner only")
    func fetchSessions() async throws {
        let broker = try await TestBroker.start(properties: Self.properties)
        let alice = try RawConnection(port: broker.port)
        let carl = try RawConnection(port: broker.port)
        _ = try alice.logIn("alice", "a")
        _ = try carl.logIn("carl", "c")
        try alice.createTopic("t")
        let opened = try alice.call(RawConnection.fetchRequest("t", offset: 0), version: 12)
        #expect(opened.sessionId == 0)
        var request = RawConnection.fetchRequest("t", offset: 0)
        request.sessionEpoch = 0
        let id = try alice.call(request, version: 12).sessionId
        #expect(id > 0)
        request.topics = []
        (request.sessionId, request.sessionEpoch) = (id, 1)
        #expect(try carl.call(request, version: 12).errorCode == .fetchSessionIdNotFound)
        // Nor can others close it.
        request.sessionEpoch = -1
        _ = try carl.call(request, version: 12)
        request.sessionEpoch = 1
        #expect(try alice.call(request, version: 12).errorCode == .none)
        await broker.stop()
    }
}
