import ConnectAPI
import Testing

@testable import ConnectSQL

@Suite struct JDBCURLTests {
    private func mysql(_ text: String) throws -> MySQLURL {
        guard case .mariaDB(let url) = try JDBCURL(text) else {
            Issue.record("not a MariaDB URL: \(text)")
            throw ConnectError.config("")
        }
        return url
    }

    @Test func tutorialURL() throws {
        let url = try mysql("jdbc:mysql://localhost:3306/mydb")
        #expect(url.hosts == [.init(name: "localhost", port: 3306)])
        #expect(url.options.database == "mydb")
        #expect(url.options.user == nil)
        #expect(url.options.tls.mode == .preferred)
    }

    @Test func mariaDBSchemeUserAndParameters() throws {
        let url = try mysql(
            "jdbc:mariadb://db.example:3307/shop?user=app&password=a%26b&connectTimeout=1500&socketTimeout=0&foo=1")
        #expect(url.hosts == [.init(name: "db.example", port: 3307)])
        #expect(url.options.user == "app")
        #expect(url.options.password?.revealed == "a&b")
        #expect(url.options.connectTimeout == .milliseconds(1_500))
        #expect(url.options.readTimeout == .zero)
        #expect(url.unknownParameters == ["foo"])
    }

    @Test(arguments: [
        "jdbc:mysql://u:p%40w@h1:3310/d", "jdbc:mysql://address=(host=h1)(port=3310)(user=u)(password=p@w)/d",
        "jdbc:mysql://(host=h1,port=3310,user=u,password=p@w)/d", "jdbc:mysql:loadbalance://u:p@w@h1:3310/d",
    ])
    func otherForms(_ text: String) throws {
        let url = try mysql(text)
        #expect(url.hosts == [.init(name: "h1", port: 3310)])
        #expect(url.options.user == "u")
        #expect(url.options.password?.revealed == "p@w")
        #expect(url.options.database == "d")
    }

    @Test func severalHostsAndIPv6() throws {
        #expect(
            try mysql("jdbc:mariadb:sequential://a:1,[::1]:2,c/d").hosts == [
                .init(name: "a", port: 1), .init(name: "::1", port: 2), .init(name: "c", port: 3306),
            ])
        #expect(try mysql("jdbc:mysql:///d").hosts == [.init(name: "localhost", port: 3306)])
        #expect(try mysql("jdbc:mysql://h").options.database == nil)
    }

    @Test func tls() throws {
        let url = try mysql("jdbc:mysql://h/d?sslMode=VERIFY_IDENTITY&serverSslCert=/ca.pem&tlsVersions=TLSv1.3")
        #expect(url.options.tls.mode == .verifyIdentity)
        #expect(url.options.tls.authority == "/ca.pem")
        #expect(url.options.tls.versions == "TLSv1.3")
        #expect(try mysql("jdbc:mysql://h/d?useSSL=false").options.tls.mode == .disabled)
        #expect(throws: ConnectError.self) { try JDBCURL("jdbc:mysql://h/d?sslMode=perhaps") }
        #expect(throws: ConnectError.self) { try JDBCURL("jdbc:mysql://h/d?trustCertificateKeyStoreUrl=file:x.jks") }
    }

    @Test func sqlite() throws {
        guard case .sqlite(let url) = try JDBCURL("jdbc:sqlite:/tmp/a b.db?busy_timeout=250&journal_mode=delete") else {
            Issue.record("not SQLite")
            return
        }
        #expect(url.options.path == "/tmp/a b.db")
        #expect(url.options.busyTimeout == 250)
        #expect(url.options.journalMode == "DELETE")
    }

    // golden/rest/068, 069
    @Test func refused() {
        #expect { try JDBCURL("foo") } throws: { ($0 as? ConnectError)?.message == "Not a valid JDBC URL: foo" }
        #expect {
            try JDBCURL("jdbc:foo://x/y")
        } throws: {
            ($0 as? ConnectError)?.message.hasPrefix("No suitable driver found for jdbc:foo://x/y") == true
        }
    }

    @Test(arguments: [
        "jdbc:mysql://u:secret@h/d", "jdbc:mysql://h/d?user=u&password=secret", "foo?PASSWORD=secret&x=1",
        "jdbc:mysql://address=(host=h)(password=secret)/d", "jdbc:foo://u:secret@h/d",
    ])
    func passwordsAreMasked(_ text: String) {
        #expect(!JDBCURL.masked(text).contains("secret"))
        #expect(JDBCURL.masked(text).contains("****"))
    }

    @Test func badPortNamesNoPassword() {
        #expect { try JDBCURL("jdbc:mysql://u:secret@h:99999/d") } throws: { !"\($0)".contains("secret") }
    }
}
