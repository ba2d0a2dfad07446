import Foundation
import KafkaTesting
import Testing

/// Bad input gets an error that names the thing and the remedy, and loses nothing.
@Suite(.serialized) struct BadInputTests {
    @Test func restRefusesWithWhatIsWrong() throws {
        let server = try MariaDBServer.shared()
        try server.makeDatabase("bad")
        let sluice = try SluiceProcess()
        let rest = REST(base: sluice.restURL)

        let malformed = try rest.call("POST", "/connectors", body: "{bad")
        #expect(malformed.status == 400)
        #expect(malformed.object["error_code"] as? Int == 400)

        let unknown = try rest.call(
            "POST", "/connectors", body: #"{"name":"x","config":{"connector.class":"no.such.Class"}}"#)
        #expect(unknown.status == 400)
        let text = unknown.object["message"] as? String ?? ""
        #expect(text.contains("no.such.Class") && text.contains("io.confluent.connect.jdbc.JdbcSourceConnector"))

        let wrong = TutorialWalkTests.sourceConfig(server, database: "bad")
            .replacingOccurrences(of: "test1357", with: "wrong-secret")
        let refused = try rest.call("POST", "/connectors", body: wrong)
        #expect(refused.status == 400)
        #expect((refused.object["message"] as? String ?? "").contains("Access denied"), "\(refused.text)")
        #expect(!refused.text.contains("wrong-secret"))
        #expect(!sluice.log.contains("wrong-secret"))

        // A missing table is no error at creation; the connector takes it up when it appears.
        let created = try rest.call(
            "POST", "/connectors", body: TutorialWalkTests.sourceConfig(server, database: "bad"))
        #expect(created.status == 201, "\(created.text)")
        try server.sql(TutorialWalkTests.usersTable, database: "bad")
        try server.sql("insert into users(name, pwd) values('late', 'late')", database: "bad")
        try rest.waitForState("my-source-connect", "RUNNING", timeout: 120)
        try waitFor("the late table's row") { () -> Bool? in
            let read = try Command.run(
                "kcat", ["-b", sluice.bootstrapServers, "-C", "-t", "my_topic_users", "-o", "beginning", "-e", "-q"])
            return read.output.contains("\"late\"") ? true : nil
        }
    }

    @Test func toolsSayWhatIsWrong() throws {
        let sluice = try SluiceProcess()
        let topic = try Command.sluice(
            ["topics", "--create", "--topic", "no/slash", "--bootstrap-server", sluice.bootstrapServers])
        #expect(topic.status != 0)
        #expect(topic.errors.contains("no/slash"), "\(topic.errors)")

        let port = try Command.sluice(
            ["broker", "--data-dir", sluice.dataDirectory + "-other", "--port", String(sluice.port)])
        #expect(port.status != 0)
        #expect(port.errors.contains(String(sluice.port)), "\(port.errors)")

        let locked = try Command.sluice(["broker", "--data-dir", sluice.dataDirectory, "--port", "0"])
        #expect(locked.status != 0)
        #expect(locked.errors.contains(sluice.dataDirectory), "\(locked.errors)")

        let unwritable = try Command.sluice(["broker", "--data-dir", "/proc/sluice-data", "--port", "0"])
        #expect(unwritable.status != 0)
        #expect(unwritable.errors.contains("/proc/sluice-data"), "\(unwritable.errors)")

        let nobody = try Command.sluice(["topics", "--list", "--bootstrap-server", "127.0.0.1:1"])
        #expect(nobody.status != 0)
        #expect(nobody.errors.contains("127.0.0.1:1"), "\(nobody.errors)")
    }
}
