import ClusterModel
import Foundation
import Journal
import RemoteShell
import RunEngine
import TestSupport
import Testing

@testable import ClusterSteps

@Suite("Files put and edited, in a real shell")
struct FileStepShellTests {
    private func put(_ trial: ShellTrial, _ path: String, _ more: [String: JSONValue]) -> StepCall {
        ShellTrial.call("file.put", ["path": .string(trial.root + path)].merging(more) { $1 })
    }

    private func edit(_ trial: ShellTrial, _ path: String, _ more: [String: JSONValue]) -> StepCall {
        ShellTrial.call("file.edit-line", ["path": .string(trial.root + path)].merging(more) { $1 })
    }

    @Test("a new file is shown, made with its folder, found there again, and taken away by the undo")
    func newFile() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        let call = put(trial, "/etc/app/app.conf", ["content": .string("one\ntwo\n"), "mode": .string("0640")])
        let plan = try await trial.plan(call, ShellTrial.failing)
        #expect(plan.summary() == "make \(trial.root)/etc/app/app.conf")
        #expect(plan.diff() == ["+ one", "+ two"])
        #expect(trial.text("/etc/app/app.conf") == nil)
        let (ending, journal) = try await trial.run(plan)
        #expect(ending.exitCode == .stepFailed && ending.problems.map(\.place) == ["worker1/shell.run"])
        #expect(trial.text("/etc/app/app.conf") == "one\ntwo\n" && trial.mode("/etc/app/app.conf") == 0o640)
        #expect(trial.names("/etc/app") == ["app.conf"])
        #expect(try await trial.plan(call).summary() == "noop: \(trial.root)/etc/app/app.conf is as it shall be")
        #expect(try await trial.abandon(plan, journal).result == .abandoned)
        #expect(trial.names("/etc/app") == [])
    }

    @Test("a file is replaced with owner and mode kept, the old one kept, and put back by the undo")
    func replaced() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try trial.tree.write("/etc/app.conf", "a\nb\nc\n", mode: 0o604)
        try FileManager.default.setAttributes([.ownerAccountID: 65534], ofItemAtPath: trial.root + "/etc/app.conf")
        let plan = try await trial.plan(
            put(trial, "/etc/app.conf", ["content": .string("a\nB\nc\n")]),
            ShellTrial.failing
        )
        #expect(plan.diff() == ["  a", "- b", "+ B", "  c"])
        let (_, journal) = try await trial.run(plan)
        #expect(trial.text("/etc/app.conf") == "a\nB\nc\n" && trial.mode("/etc/app.conf") == 0o604)
        let owner = try FileManager.default.attributesOfItem(atPath: trial.root + "/etc/app.conf")[.ownerAccountID]
        #expect(owner as? Int == 65534)
        let kept = "/var/lib/rollbook-host/previous"
        let run = try #require(trial.names(kept).first)
        #expect(trial.text("\(kept)/\(run)/1.worker1.file.put") == "a\nb\nc\n")
        #expect(trial.mode("\(kept)/\(run)") == 0o700)
        #expect(try await trial.abandon(plan, journal).exitCode == .done)
        #expect(trial.text("/etc/app.conf") == "a\nb\nc\n" && trial.mode("/etc/app.conf") == 0o604)
    }

    @Test("only a mode or an owner that differs is a change, too")
    func attributes() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try trial.tree.write("/etc/app.conf", "a\n")
        let call = put(
            trial,
            "/etc/app.conf",
            ["content": .string("a\n"), "mode": .string("0600"), "owner": .string("65534"), "group": .string("root")]
        )
        let plan = try await trial.plan(call)
        #expect(plan.summary() == "change owner or mode of \(trial.root)/etc/app.conf")
        #expect(plan.diff() == ["- mode 644", "+ mode 0600", "- owner root:root", "+ owner 65534:root"])
        #expect(try await trial.run(plan).ending.exitCode == .done)
        #expect(trial.mode("/etc/app.conf") == 0o600)
        #expect(try await trial.plan(call).summary().hasPrefix("noop: "))
    }

    @Test("a check that fails leaves the old file, no copy beside it, and says why")
    func check() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try trial.tree.write("/etc/app.conf", "good\n")
        let check = "grep -q good \"$1\" || { echo 'bad word'; exit 3; }"
        let plan = try await trial.plan(
            put(trial, "/etc/app.conf", ["content": .string("evil\n"), "check": .string(check)])
        )
        let ending = try await trial.run(plan).ending
        #expect(ending.problems.first?.event == "the check of the new file ended with 3: bad word")
        #expect(trial.text("/etc/app.conf") == "good\n" && trial.names("/etc") == ["app.conf"])
        let better = try await trial.plan(
            put(trial, "/etc/app.conf", ["content": .string("good too\n"), "check": .string(check)])
        )
        #expect(try await trial.run(better).ending.exitCode == .done)
        #expect(trial.text("/etc/app.conf") == "good too\n")
    }

    @Test("a link is not followed, a folder not replaced")
    func obstacles() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try trial.tree.write("/etc/real", "x\n")
        try FileManager.default.createSymbolicLink(
            atPath: trial.root + "/etc/link",
            withDestinationPath: trial.root + "/etc/real"
        )
        for (path, what) in [("/etc/link", "is a link to \(trial.root)/etc/real"), ("/etc", "is a folder")] {
            let plan = try await trial.plan(put(trial, path, ["content": .string("y")]))
            #expect(plan.summary() == "blocked: \(trial.root)\(path) \(what)")
        }
        #expect(trial.text("/etc/real") == "x\n")
    }

    @Test("a file that somebody changes after the plan was made is left alone")
    func stale() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try trial.tree.write("/etc/app.conf", "a\n")
        let plan = try await trial.plan(put(trial, "/etc/app.conf", ["content": .string("b\n")]))
        try trial.tree.write("/etc/app.conf", "somebody's\n")
        #expect(try await trial.run(plan).ending.exitCode == .stale)
        #expect(trial.text("/etc/app.conf") == "somebody's\n")
    }

    @Test("a file that was changed after the run is not put back over")
    func changedSince() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try trial.tree.write("/etc/app.conf", "a\n")
        let plan = try await trial.plan(put(trial, "/etc/app.conf", ["content": .string("b\n")]), ShellTrial.failing)
        let (_, journal) = try await trial.run(plan)
        try trial.tree.write("/etc/app.conf", "later\n")
        let ending = try await trial.abandon(plan, journal)
        #expect(ending.problems.first?.event.contains("was changed since") == true, "\(ending)")
        #expect(trial.text("/etc/app.conf") == "later\n")
    }

    /// Files of the controller, without a disk.
    struct Folder: RunbookFiles {
        var files: [String: String]
        func path(of name: String, namedIn runbook: ClusterModel.SourceLocation) throws -> String {
            "/srv/books/\(name)"
        }
        func read(_ path: String) throws -> [UInt8] {
            guard let text = files[path] else {
                throw OperatorMessage(.invalidInput, at: path, "there is no such file")
            }
            return Array(text.utf8)
        }
    }

    @Test("a file of the controller is bound by its digest, and a secret one is never shown")
    func fromController() async throws {
        var views = StepServices()
        views.add(Folder(files: ["/srv/books/key": "canary-7f3a\n"]) as any RunbookFiles)
        let trial = try ShellTrial(views: views)
        defer { trial.remove() }
        let call = put(trial, "/etc/key", ["from": .string("key"), "secret": .bool(true)])
        let plan = try await trial.plan(call)
        #expect(plan.steps.first?.parameters["from"] == .string("/srv/books/key"))
        #expect(plan.diff() == ["  (secret: 0 bytes before, 12 after)"])
        #expect(!String(decoding: try plan.bytes(), as: UTF8.self).contains("canary"))
        var changed = StepServices()
        changed.add(Folder(files: ["/srv/books/key": "another\n"]) as any RunbookFiles)
        let later = try ShellTrial(views: changed)
        defer { later.remove() }
        #expect(try await later.run(plan).ending.problems.first?.code == .stale)
        #expect(try await trial.run(plan).ending.exitCode == .done)
        #expect(trial.text("/etc/key") == "canary-7f3a\n" && trial.mode("/etc/key") == 0o600)
    }

    @Test(
        "what is right on no host is refused before any is asked",
        arguments: [
            ["path": .string("etc/x"), "content": .string("x")],
            ["path": .string("/etc/../x"), "content": .string("x")],
            ["path": .string("/etc/x")], ["path": .string("/etc/x"), "content": .string("x"), "mode": .string("999")],
            ["path": .string("/etc/x"), "content": .string("x"), "owner": .string("-R")],
            ["path": .string("/etc/x"), "content": .string("x"), "secret": .bool(true)],
        ] as [[String: JSONValue]]
    )
    func invalid(parameters: [String: JSONValue]) async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        let failure = await #expect(throws: OperatorMessage.self) {
            _ = try await trial.plan(ShellTrial.call("file.put", parameters))
        }
        #expect(failure?.code == .invalidInput && failure?.place == "/srv/books/test.yaml:7: file.put")
    }

    @Test("one line is edited, found there again, and undone")
    func line() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        try trial.tree.write("/etc/sshd", "# head\n#PermitRootLogin yes\nUsePAM yes\n", mode: 0o600)
        let call = edit(
            trial,
            "/etc/sshd",
            ["line": .string("PermitRootLogin no"), "match": .string("PermitRootLogin")]
        )
        let plan = try await trial.plan(call, ShellTrial.failing)
        #expect(plan.summary() == "\(trial.root)/etc/sshd: replace line 2")
        #expect(plan.diff() == ["  # head", "- #PermitRootLogin yes", "+ PermitRootLogin no", "  UsePAM yes"])
        let (_, journal) = try await trial.run(plan)
        #expect(
            trial.text("/etc/sshd") == "# head\nPermitRootLogin no\nUsePAM yes\n" && trial.mode("/etc/sshd") == 0o600
        )
        #expect(try await trial.plan(call).summary() == "noop: \(trial.root)/etc/sshd has the line")
        #expect(try await trial.abandon(plan, journal).exitCode == .done)
        #expect(trial.text("/etc/sshd") == "# head\n#PermitRootLogin yes\nUsePAM yes\n")
    }

    @Test("a line of a file that an earlier step makes is decided after it, and both are undone")
    func together() async throws {
        var views = StepServices()
        let place = try RunPlace()
        defer { place.remove() }
        views.add(WaitingStepTests.Kept(folder: place.folder) as any FetchedFiles)
        let trial = try ShellTrial(views: views)
        defer { trial.remove() }
        let plan = try await trial.plan(
            put(trial, "/etc/a", ["content": .string("one\n")]),
            edit(trial, "/etc/a", ["line": .string("two")]),
            put(trial, "/etc/b", ["content": .string("other\n")]),
            ShellTrial.call("fetch", ["path": .string(trial.root + "/etc/b")]),
            ShellTrial.call("shell.run", ["script": .string("exit 9"), "probe": .string("exit 0")]),
            ShellTrial.failing
        )
        #expect(plan.summary(1) == "unknown: file.put")
        #expect(plan.summary(3) == "unknown: file.put" && plan.summary(4) == "unknown: file.put")
        #expect(plan.summary(2) == "make \(trial.root)/etc/b")
        let (ending, journal) = try await trial.run(plan)
        #expect(ending.problems.map(\.place) == ["worker1/shell.run"], "\(ending.problems)")
        #expect(journal.state.steps.first { $0.key.text == "1.worker1.shell.run" }?.value.phase == .skipped)
        #expect(trial.text("/etc/a") == "one\ntwo\n")
        #expect(try await trial.abandon(plan, journal).exitCode == .done)
        #expect(trial.names("/etc") == [])
    }

    @Test("killed before any command of it, a second run of the script completes it")
    func killed() async throws {
        let trial = try ShellTrial()
        defer { trial.remove() }
        let new = Array("new\n".utf8)
        try trial.tree.write("/etc/app.conf", "old\n", mode: 0o640)
        let old = Array("old\n".utf8).sha256
        let command = RemoteCommand(
            FileReplacement.script,
            ["run", "step", trial.root + "/etc/app.conf", old, new.sha256, "", "", "", "", "0644"]
        )
        let host = try #require(EngineTrial().cluster.hosts.first)
        func attempt() async throws -> Bool {
            try await trial.connection(to: host).run(command, input: .bytes(new), limits: .short).succeeded
        }
        let programs = ["sha256sum", "rm", "cp", "cat", "mkdir", "find", "sync", "mv"]
        for program in programs {
            try trial.tree.write("/etc/app.conf", "old\n", mode: 0o640)
            try? FileManager.default.removeItem(atPath: trial.root + "/var/lib/rollbook-host/previous")
            for number in 1...4 {
                try? FileManager.default.removeItem(atPath: trial.root + "/count")
                try trial.tree.program(
                    program,
                    """
                    echo >>'\(trial.root)/count'
                    [ "$(wc -l <'\(trial.root)/count')" -ne \(number) ] || { kill -9 $PPID; exit 9; }
                    exec /usr/bin/\(program) "$@"
                    """
                )
                let isDone = (try? await attempt()) ?? false
                let found = trial.text("/etc/app.conf")
                #expect(found == "old\n" || found == "new\n", "\(program) \(number)")
                try FileManager.default.removeItem(atPath: trial.root + "/bin/\(program)")
                #expect(try await attempt(), "\(program) \(number)")
                #expect(trial.text("/etc/app.conf") == "new\n" && trial.mode("/etc/app.conf") == 0o640)
                #expect(trial.text("/var/lib/rollbook-host/previous/run/step") == "old\n", "\(program) \(number)")
                #expect(trial.names("/etc") == ["app.conf"])
                if isDone { break }
                try trial.tree.write("/etc/app.conf", "old\n", mode: 0o640)
            }
        }
    }
}
