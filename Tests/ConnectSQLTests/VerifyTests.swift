import ConnectAPI
import Foundation
import KafkaTesting
import Testing

@testable import ConnectSQL

/// Two tables compared, whatever their databases.
@Suite(.serialized) struct VerifyTests {
    private static let pairs: [(TestDatabase, TestDatabase)] = [
        (.mariaDB, .postgreSQL), (.postgreSQL, .sqlite), (.sqlite, .mariaDB),
    ]

    private func verifier(_ source: OpenDatabase, _ target: OpenDatabase) throws -> TableVerifier {
        func endpoint(_ database: OpenDatabase) -> TableVerifier.Endpoint {
            .init(url: database.url, user: database.user, password: database.password.map { .init($0) })
        }
        return try TableVerifier(source: endpoint(source), target: endpoint(target), settle: .milliseconds(10))
    }

    @Test(arguments: pairs) func differencesAreFound(_ kinds: (TestDatabase, TestDatabase)) throws {
        let source = try kinds.0.open("verify_a")
        let target = try kinds.1.open("verify_b")
        for database in [source, target] {
            try database.sql(
                "CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50), price DECIMAL(9,2), f REAL)")
            try database.sql(
                "INSERT INTO users VALUES"
                    + (0..<2_500).map { "(\($0 * 2),'n\($0)',\($0).5,1.25)" }
                    .joined(separator: ","))
        }
        let verifier = try verifier(source, target)
        let alike = try verifier.compare("users", "users")
        #expect(alike.isEqual && alike.sourceRows == 2_500 && alike.targetRows == 2_500)
        try target.sql("UPDATE users SET name = 'other', price = 0 WHERE id = 8")
        try target.sql("DELETE FROM users WHERE id = 0")
        try target.sql("DELETE FROM users WHERE id = 4998")
        try target.sql("INSERT INTO users VALUES(9,'new',NULL,NULL)")
        let report = try verifier.compare("users", "users")
        #expect(!report.isEqual)
        #expect(report.faults.map(\.key) == ["0", "8", "9", "4998"])
        #expect(report.faults.map(\.fault) == [.missing, .different(["name", "price"]), .unexpected, .missing])
    }

    /// Texts sort alike everywhere, whatever their collations.
    @Test(arguments: pairs) func textKeys(_ kinds: (TestDatabase, TestDatabase)) throws {
        let source = try kinds.0.open("verify_c")
        let target = try kinds.1.open("verify_d")
        for database in [source, target] {
            let collation = database.kind == .mariaDB ? " COLLATE utf8mb4_bin" : ""
            try database.sql("CREATE TABLE users(id VARCHAR(20)\(collation) NOT NULL PRIMARY KEY, n INTEGER)")
            try database.sql("INSERT INTO users VALUES('b',1),('A',2),('a',3),('é',4),('_',5),('B',6),('',7),('a b',8)")
        }
        #expect(try verifier(source, target).compare("users", "users").isEqual)
        try target.sql("DELETE FROM users WHERE id = 'é'")
        let report = try verifier(source, target).compare("users", "users")
        #expect(report.faults.map(\.key) == ["é"])
    }

    /// Two databases of one vendor: only ranges with another checksum are read, and every kind of fault is found.
    @Test(arguments: [TestDatabase.mariaDB, .postgreSQL]) func checksums(_ kind: TestDatabase) throws {
        let source = try kind.open("verify_e")
        let target = try kind.open("verify_f")
        for database in [source, target] {
            try database.sql("CREATE TABLE users(id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(50), note TEXT)")
            try database.sql(
                "INSERT INTO users VALUES" + (1...1_050).map { "(\($0),'n\($0)',NULL)" }.joined(separator: ","))
        }
        var verifier = try verifier(source, target)
        verifier.rangeRows = 100
        var progress: [Int] = []
        let alike = try verifier.compare("users", "users") { progress.append($0.rows) }
        #expect(alike.isEqual && alike.sourceRows == 1_050 && alike.rowsByChecksum == 1_050)
        #expect(progress == Array(stride(from: 100, through: 1_000, by: 100)) + [1_050])
        try target.sql("UPDATE users SET note = '' WHERE id = 150")
        try target.sql("DELETE FROM users WHERE id = 1050")
        try target.sql("INSERT INTO users VALUES(0,'new',NULL),(2000,'new',NULL)")
        let report = try verifier.compare("users", "users")
        #expect(report.faults.map(\.key) == ["0", "150", "1050", "2000"])
        #expect(report.faults.map(\.fault) == [.unexpected, .different(["note"]), .missing, .unexpected])
        // Ranges 1, 2 and the last were read.
        #expect(report.rowsByChecksum == 800 && report.sourceRows == 1_050 && report.targetRows == 1_051)
    }
}
