import Foundation
import Testing

/// `transactions`, `acls`, `configs` for brokers and quotas, and groups of KIP-848, as processes.
@Suite(.serialized) struct AdminToolsTests {
    private typealias BrokerProcess = ToolsTests.BrokerProcess

    /// Runs lines of Python with confluent-kafka; nil if it is not here.
    private func python(_ script: String, _ broker: BrokerProcess) throws -> Tool.Result? {
        guard let python = Tool.find("python3"),
            try Tool.run(python, ["-c", "import confluent_kafka"]).status == 0
        else { return nil }
        return try Tool.run(python, ["-c", script, broker.server])
    }

    /// The cells of a table's rows without its title.
    private func rows(_ result: Tool.Result) -> [[String]] {
        result.output.split(separator: "\n").dropFirst().map { $0.split(separator: " ").map(String.init) }
    }

    /// The columns and the order of flags are those of kafka-transactions.sh.
    @Test func transactionsAreShownAndEnded() throws {
        let broker = try BrokerProcess()
        #expect(try broker.sluice("topics --create --topic t").status == 0)
        let opened = try python(
            """
            import os, sys
            from confluent_kafka import Producer
            p = Producer({"bootstrap.servers": sys.argv[1], "transactional.id": "tx"})
            p.init_transactions(10)
            p.begin_transaction(); p.produce("t", b"1"); p.flush(10); p.commit_transaction(10)
            p.begin_transaction(); p.produce("t", b"2"); p.flush(10)
            os._exit(0)
            """, broker)
        guard let opened else { return }
        #expect(opened.status == 0, "\(opened.errors)")
        let listed = try broker.sluice("transactions list")
        #expect(listed.output.hasPrefix("TransactionalId ProducerId TransactionState\n"))
        let id = try #require(rows(listed).first?[1])
        #expect(rows(listed) == [["tx", id, "Ongoing"]])
        #expect(rows(try broker.sluice("transactions list --state CompleteCommit")) == [])
        let described = rows(try broker.sluice("transactions describe --transactional-id tx")).first ?? []
        #expect(described.count == 8 && described[0] == "tx" && described[3] == "Ongoing" && described[7] == "t-0")
        #expect(try broker.sluice("transactions describe --transactional-id nobody").status == 1)
        // Records 0 and 1 are the first transaction's record and its marker.
        let producers = rows(try broker.sluice("transactions describe-producers --topic t --partition 0"))
        #expect(producers.count == 1 && producers.first?.first == id && producers.first?.last == "2")
        // Open, but its coordinator knows of it.
        #expect(rows(try broker.sluice("transactions find-hanging --max-transaction-timeout 0")) == [])
        let wrong = try broker.sluice("transactions abort --topic t --partition 0 --start-offset 1")
        #expect(wrong.status == 1 && wrong.errors.contains("begins at offset 1"))
        #expect(try broker.sluice("transactions abort --topic t --partition 0 --start-offset 2").status == 0)
        #expect(
            rows(try broker.sluice("transactions describe-producers --topic t --partition 0")).first?.last == "None")
        #expect(try broker.sluice("transactions force-terminate --transactional-id tx").status == 0)
        #expect(rows(try broker.sluice("transactions list")).first?.last != "Ongoing")
        #expect(try broker.sluice("transactions abort --topic t --partition 0").status == 2)
        let read = "console-consumer --topic t --from-beginning --isolation-level read_committed --timeout-ms 1000"
        #expect(try broker.sluice(read).output == "1\n")
    }

    @Test func settingsOfBrokersAndQuotasAreShownAndChanged() throws {
        let broker = try BrokerProcess()
        let all = "--entity-type brokers --entity-default"
        let one = "--entity-type brokers --entity-name 1"
        #expect(
            try broker.sluice("configs --alter \(all) --add-config log.retention.ms=1000").output
                == "Completed updating default config for brokers in the cluster.\n")
        #expect(try broker.sluice("configs --alter \(one) --add-config message.max.bytes=2000").status == 0)
        #expect(
            try broker.sluice("configs --describe \(all)").output
                == "Default configs for brokers in the cluster are:\n  log.retention.ms=1000 sensitive=false\n")
        #expect(
            try broker.sluice("configs --describe \(one)").output
                == "Dynamic configs for broker 1 are:\n  log.retention.ms=1000 sensitive=false\n"
                + "  message.max.bytes=2000 sensitive=false\n")
        let refused = try broker.sluice("configs --alter \(one) --add-config log.dirs=/tmp")
        #expect(refused.status == 1 && refused.errors.contains("Cannot update these configs dynamically"))

        let group = "--entity-type groups --entity-name g"
        #expect(
            try broker.sluice("configs --alter \(group) --add-config consumer.session.timeout.ms=50000").status == 0)
        #expect(
            try broker.sluice("configs --describe --entity-type groups").output
                == "Dynamic configs for group g are:\n  consumer.session.timeout.ms=50000 sensitive=false\n")

        let client = "--entity-type clients --entity-name loader"
        #expect(
            try broker.sluice("configs --alter \(client) --add-config producer_byte_rate=1024").output
                == "Completed updating quota config for client-id 'loader'.\n")
        #expect(
            try broker.sluice("configs --alter --user alice --client-defaults --add-config request_percentage=12.5")
                .status == 0)
        #expect(
            try broker.sluice(
                "configs --alter --entity-type ips --entity-default --add-config connection_creation_rate=9"
            )
            .status == 0)
        #expect(
            try broker.sluice("configs --describe \(client)").output
                == "Quota configs for client-id 'loader' are producer_byte_rate=1024.0\n")
        #expect(
            try broker.sluice("configs --describe --entity-type users").output
                == "Quota configs for user-principal 'alice', the default client-id are request_percentage=12.5\n")
        #expect(
            try broker.sluice("configs --describe --ip-defaults").output
                == "Quota configs for the default ip are connection_creation_rate=9.0\n")
        #expect(try broker.sluice("configs --alter \(client) --delete-config producer_byte_rate").status == 0)
        #expect(try broker.sluice("configs --describe \(client)").output == "")
        #expect(try broker.sluice("configs --describe").status == 2)
    }

    /// The lines are those of kafka-acls.sh.
    @Test func aclsAreShownAndChanged() throws {
        let broker = try BrokerProcess(
            settings: """
                authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
                super.users=User:ANONYMOUS
                """)
        let added = try broker.sluice("acls --add --allow-principal User:alice --producer --topic orders")
        let expected = """
             for resource `ResourcePattern(resourceType=TOPIC, name=orders, patternType=LITERAL)`: \n \
            \t(principal=User:alice, host=*, operation=WRITE, permissionType=ALLOW)
            \t(principal=User:alice, host=*, operation=DESCRIBE, permissionType=ALLOW)
            \t(principal=User:alice, host=*, operation=CREATE, permissionType=ALLOW) \n

            """
        #expect(added.status == 0 && added.output.hasPrefix("Adding ACLs\(expected)"), "\(added.output)")
        let denied = try broker.sluice(
            "acls --add --deny-principal User:eve --deny-host 10.0.0.1 --operation Read --group g- "
                + "--resource-pattern-type prefixed")
        #expect(denied.status == 0)
        let listed = try broker.sluice("acls --list").output
        for operation in ["WRITE", "DESCRIBE", "CREATE"] {
            #expect(listed.contains("(principal=User:alice, host=*, operation=\(operation), permissionType=ALLOW)"))
        }
        #expect(
            listed.contains(
                "`ResourcePattern(resourceType=GROUP, name=g-, patternType=PREFIXED)`: \n "
                    + "\t(principal=User:eve, host=10.0.0.1, operation=READ, permissionType=DENY) \n"))
        let ofEve = try broker.sluice("acls --list --principal User:eve").output
        #expect(ofEve.contains("eve") && !ofEve.contains("alice"))
        let remove = "acls --remove --allow-principal User:alice --producer --topic orders"
        let connection = ["--bootstrap-server", broker.server]
        func hasAlice(_ flags: String = "") throws -> Bool {
            try broker.sluice("acls --list \(flags)").output.contains("alice")
        }
        let unsure = try Tool.run(
            Tool.sluice, remove.split(separator: " ").map(String.init) + connection, input: "n\n")
        #expect(unsure.output.contains("Are you sure"))
        #expect(try hasAlice())
        #expect(try broker.sluice("\(remove) --force").status == 0)
        #expect(try hasAlice() == false)
        #expect(try broker.sluice("acls --add --allow-principal alice --topic orders").status == 2)
        #expect(
            try broker.sluice("acls --add --allow-principal User:a --operation ClusterAction --topic orders").status
                == 2)

        let free = try BrokerProcess()
        let disabled = try free.sluice("acls --list")
        #expect(disabled.status == 1 && disabled.errors.contains("SECURITY_DISABLED"))
    }

    @Test func groupsOfTheConsumerProtocolAreDescribed() throws {
        let broker = try BrokerProcess()
        #expect(try broker.sluice("topics --create --topic t --partitions 2").status == 0)
        _ = try broker.sluice("console-producer --topic t", input: "1\n2\n3\n")
        let script = """
            import os, subprocess, sys, time
            from confluent_kafka import Consumer
            c = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "next", "group.protocol": "consumer",
                          "client.id": "me", "auto.offset.reset": "earliest"})
            c.subscribe(["t"])
            deadline = time.time() + 30
            read = 0
            while read < 3 and time.time() < deadline:
                message = c.poll(0.2)
                read += message is not None and not message.error()
            c.commit(asynchronous=False)
            for flags in [["--describe"], ["--describe", "--members"], ["--describe", "--state"]]:
                print(subprocess.run(["\(Tool.sluice.path)", "consumer-groups", "--group", "next", *flags,
                                      "--bootstrap-server", sys.argv[1]], capture_output=True, text=True).stdout)
            c.close()
            """
        guard let result = try python(script, broker) else { return }
        #expect(result.status == 0, "\(result.errors)")
        let lines = result.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
        let positions = lines.filter { $0.count == 9 && $0[1] == "t" }
        #expect(
            positions.map { $0[2] } == ["0", "1"]
                && positions.allSatisfy { $0[8] == "me" && ["0", "-"].contains($0[5]) })
        #expect(positions.compactMap { Int($0[3]) }.reduce(0, +) == 3)
        let members = lines.filter { $0.count == 5 && $0[3] == "me" }
        #expect(members.map { $0[4] } == ["2"] && members.first?[1] == positions.first?[6])
        let state = lines.first { $0.count == 6 && $0[0] == "next" }
        #expect(state?.suffix(3) == ["uniform", "Stable", "1"], "\(result.output)")
    }
}
