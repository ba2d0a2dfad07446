import OrderedCollections
import Testing

@testable import ConnectRuntime

@Suite struct ConfigMaskingTests {
    let masking = ConfigMasking(passwordNames: ["the.key"])

    @Test(arguments: [
        (
            "jdbc:mysql://h:3306/db?user=u&password=p%26w&useSSL=true",
            "jdbc:mysql://h:3306/db?user=u&password=[hidden]&useSSL=true"
        ),
        ("jdbc:mysql://u:p@w@h/db", "jdbc:mysql://u:[hidden]@h/db"),
        ("http://h:80/a:b@c", "http://h:80/a:b@c"), ("postgres://u@h", "postgres://u@h"),
        ("see https://a:bcd@h and http://e:fgh@i", "see https://a:[hidden]@h and http://e:[hidden]@i"),
        (
            "jdbc:sqlserver://h;user=u;trustStorePassword=x;encrypt=true",
            "jdbc:sqlserver://h;user=u;trustStorePassword=[hidden];encrypt=true"
        ),
        ("a=b&password=c", "a=b&password=c"), ("", ""),
    ])
    func urls(_ text: String, _ shown: String) {
        #expect(URLSecrets.masked(text) == shown)
        #expect(URLSecrets.restored(shown, from: text) == text)
    }

    @Test func values() {
        let config: OrderedDictionary = [
            "the.key": "k", "connection.password": "pw", "ssl.keystore.password": "${file:/x:y}", "user": "pw",
            "producer.override.sasl.jaas.config": "module required password=\"x\";", "empty.password": "",
        ]
        #expect(
            masking.masked(config) == [
                "the.key": "[hidden]", "connection.password": "[hidden]", "ssl.keystore.password": "${file:/x:y}",
                "user": "pw", "producer.override.sasl.jaas.config": "[hidden]", "empty.password": "",
            ])
    }

    @Test func restoring() {
        let stored: OrderedDictionary = ["the.key": "k", "url": "a://u:p1@h?password=p2", "plain": "x"]
        let (config, missing) = masking.restored(
            [
                "the.key": "[hidden]", "url": "a://v:[hidden]@other?password=fresh", "plain": "[hidden]",
                "other.password": "[hidden]",
            ], from: stored)
        #expect(
            config == [
                "the.key": "k", "url": "a://v:p1@other?password=fresh", "plain": "[hidden]",
                "other.password": "[hidden]",
            ])
        #expect(missing == ["other.password"])
    }

    @Test func texts() {
        let config: OrderedDictionary = [
            "connection.password": "longsecret", "the.key": "abc", "user": "rooted", "x.password": "rooted",
        ]
        #expect(
            masking.masked(text: "longsecret abc rooted", secretsOf: config) == "[hidden] abc rooted")
    }
}
