import Testing

extension LabSuite {
    /// Faults of the cluster: a backup is whole, or says what it lacks, or is none.
    @Suite("with a fault of the cluster")
    struct ClusterFaultTests {
        @Test("one etcd member down: stored as degraded, with 13")
        func memberDown() async throws {
            let controller = try Controller()
            try await controller.lab.with("service stop master2 etcd") {
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
                #expect(run.code == 13, "\(run)")
                #expect(
                    run.errors.contains("master2/etcd.snapshot: its etcd cannot be asked: no etcd process"),
                    "\(run)"
                )
                #expect(run.output.contains(" degraded "), "\(run)")
            }
            let entry = try #require(try await controller.backups().backups.first)
            #expect(entry.result == "degraded" && !entry.good && entry.level == 2)
            #expect(controller.names(in: entry.id + "/etcd") == ["master1.db", "master3.db"])
            #expect(try await controller.runs().map(\.exitCode) == [13])
            let verified = try await controller.rollbook("backups", "verify", "--level", "2")
            #expect(verified.code == 0, "\(verified)")
            let status = try await controller.rollbook("backups", "status")
            #expect(status.code == 4, "a degraded set is not a good one: \(status)")
        }

        @Test("one etcd member down, and the policy refuses that: 4, and nothing is published")
        func memberDownRefused() async throws {
            let controller = try Controller(backup: ["whenDegraded: refuse"])
            try await controller.lab.with("service stop master3 etcd") {
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
                #expect(run.code == 4, "\(run)")
                #expect(
                    run.errors.contains("rollbook: refused: etcd.snapshot-ready: etcd is degraded: master3"),
                    "\(run)"
                )
                #expect(run.errors.contains("Next: mend it, or set backup.whenDegraded: store"), "\(run)")
            }
            try await controller.expectNothing()
        }

        @Test("no quorum: 4, the message says that a snapshot would be stale, and nothing is published")
        func noQuorum() async throws {
            let controller = try Controller()
            try await controller.lab.with("service stop master2 etcd", "service stop master3 etcd") {
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
                #expect(run.code == 4, "\(run)")
                #expect(run.errors.contains("a snapshot now would be stale"), "\(run)")
                #expect(run.errors.contains("Next: look at the members: rollbook facts --only etcd.status"), "\(run)")
            }
            try await controller.expectNothing()
        }

        @Test("a load balancer's sshd down: published as partial, with 13, and what is missing is said")
        func loadBalancerDown() async throws {
            let controller = try Controller()
            try await controller.lab.with("sshd stop lb2") { try await expectPartial(controller, "connection refused") }
        }

        @Test("a load balancer's cable out: published as partial, with 13, and what is missing is said")
        func loadBalancerCut() async throws {
            let controller = try Controller()
            try await controller.lab.with("network cut lb2") {
                try await expectPartial(controller, "no answer within 10 s")
            }
        }

        private func expectPartial(_ controller: Controller, _ why: String) async throws {
            let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
            #expect(run.code == 13, "\(run)")
            #expect(run.errors.contains("rollbook: partial: lb2/files.collect: \(why)"), "\(run)")
            let entry = try #require(try await controller.backups().backups.first)
            #expect(run.output.contains("backup \(entry.id) partial (lb2: files.collect: \(why)"), "\(run)")
            #expect(entry.result == "partial" && !entry.good && entry.level == 2)
            let archives = ["lb1.tar", "master1.tar", "master2.tar", "master3.tar"]
            #expect(controller.names(in: entry.id + "/hosts") == archives)
            #expect(try await controller.runs().map(\.exitCode) == [13])
            let shown = try await controller.rollbook("backups", "show")
            #expect(shown.code == 0 && shown.output.contains("lb2"), "\(shown)")
        }

        @Test("a changed host key: 11, both fingerprints are named, and nothing is published")
        func hostKeyChanged() async throws {
            let controller = try Controller()
            try await controller.lab.with("hostkey flip master2") {
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
                #expect(run.code == 11, "\(run)")
                #expect(
                    run.errors.contains("rollbook: security: master2: HOST KEY CHANGED (known ssh-ed25519 SHA256:"),
                    "\(run)"
                )
                #expect(run.errors.contains("offered ssh-ed25519 SHA256:"), "\(run)")
                #expect(!run.errors.contains("resume"), "nobody should go on without thinking: \(run)")
            }
            try await controller.expectNothing()
        }

        @Test("the jump host down: 10, and it is the jump host that is named")
        func jumpHostDown() async throws {
            let controller = try Controller()
            try await controller.lab.with("sshd stop lb1") {
                let facts = try await controller.rollbook("facts", "--on", "workers")
                #expect(facts.code == 10, "\(facts)")
                for worker in ["worker1", "worker2"] {
                    let text = "rollbook: unreachable: \(worker): jump host lb1: connection refused"
                    #expect(facts.errors.contains(text), "\(facts)")
                }
            }
            let facts = try await controller.rollbook("facts", "--on", "workers")
            #expect(facts.code == 0, "\(facts)")
        }

        @Test("ten percent of packets lost each way: a whole backup all the same")
        func lossyNetwork() async throws {
            let controller = try Controller()
            try await controller.lab.with("network loss master2 10", "network loss lb1 10") {
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--quiet")
                #expect(run.code == 0, "\(run)")
                #expect(run.errors.isEmpty, "\(run)")
            }
            #expect(try await controller.backups().backups.map(\.result) == ["complete"])
            #expect(try await controller.runs().map(\.status) == ["done"])
        }

        @Test(
            "a cable pulled in the middle of a download: no false success, and the next run is whole",
            .enabled(if: Lab.isThorough, "make endurance")
        )
        func cutMidway() async throws {
            let controller = try Controller()
            let lab = controller.lab
            try await lab.with("network slow master3 512kbit") {
                let run = try await controller.rollbook("run", "nightly-backup", "--yes", "--format", "json") {
                    running in
                    try await running.line(with: "\"step.progress\"", "master3", "fetching")
                    try await lab.run("fault", "network", "cut", "master3")
                }
                #expect(run.code == 13, "\(run)")
                #expect(run.errors.contains("master3/etcd.snapshot: connection lost"), "\(run)")
            }
            let entry = try #require(try await controller.backups().backups.first)
            #expect(entry.result != "complete" && !entry.good)
            #expect(controller.names(in: entry.id + "/etcd") == ["master1.db", "master2.db"])
            #expect(try await controller.runs().map(\.exitCode) == [13])
            try await controller.backup()
            #expect(try await controller.backups().backups.map(\.good) == [true, false])
        }

        @Test("another machine behind an address: 11 before anything is sent")
        func wrongMachine() async throws {
            let controller = try Controller()
            let lab = controller.lab
            let plan = try await controller.rollbook("plan", "nightly-backup", "--quiet", "--out", "plan.json")
            #expect(plan.code == 0, "\(plan)")
            let other = String(repeating: "ab", count: 16)
            try await lab.shell(
                "lb2",
                "umask 022; cp -p /etc/machine-id /etc/machine-id.true; echo \(other) >/etc/machine-id"
            )
            let applied = await Result { try await controller.rollbook("apply", "plan.json", "--yes", "--quiet") }
            try await lab.shell("lb2", "mv -f /etc/machine-id.true /etc/machine-id")
            let answer = try applied.get()
            #expect(answer.code == 11, "\(answer)")
            #expect(
                answer.errors.contains("lb2")
                    && answer.errors.contains("another machine answers: its machine id is \(other)"),
                "\(answer)"
            )
            #expect(try await controller.backups().backups.isEmpty)
            #expect(try await controller.runs().map(\.exitCode) == [11])
        }
    }
}

extension Controller {
    /// No set, no run, nothing staged.
    func expectNothing(_ location: SourceLocation = #_sourceLocation) async throws {
        #expect(try await backups().backups.isEmpty, sourceLocation: location)
        #expect(try await runs().isEmpty, sourceLocation: location)
        #expect(names(in: ".staging").isEmpty, sourceLocation: location)
    }
}

extension Result where Failure == any Error {
    /// What `work` returned or threw.
    init(_ work: () async throws -> Success) async {
        do { self = .success(try await work()) } catch { self = .failure(error) }
    }
}
