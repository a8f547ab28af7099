import Foundation
import Testing

extension LabSuite {
    /// Every check of preflight made to fail for real on a host, found with its reason and remedy, and found well afterwards.
    ///
    /// Where something in the lab is a stand-in, the case says so. Swap is shared with the machine that the lab runs on, so its case
    /// is about the next boot.
    @Suite("preflight's findings")
    struct PreflightFailureTests {
        static let cases =
            PreflightFailure.ofHosts + PreflightFailure.ofPackages + PreflightFailure.ofNodes
            + PreflightFailure.ofNetwork
            + PreflightFailure.ofLoadBalancers + PreflightFailure.ofControlPlanes

        private static func plan(_ controller: Controller, _ failure: PreflightFailure) async throws -> Answer {
            try await controller.process(
                ["plan", "preflight", "--check", "--only", failure.check]
                    + failure.on.flatMap { ["--on", $0] } + failure.more
            ).run()
        }

        private static func plain(_ text: String) -> String {
            text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }

        @Test("what is broken is found with its reason, and found well when it is put back", arguments: cases)
        func finds(_ failure: PreflightFailure) async throws {
            let controller = try Controller()
            let outcome = await Result {
                try await failure.doBreak()
                return try await Self.plan(controller, failure)
            }
            try await failure.mend()
            let found = try outcome.get()
            #expect(found.code == failure.code, "\(found)")
            for text in failure.found { #expect(Self.plain(found.output).contains(text), "\(found)") }
            guard failure.more.isEmpty else { return }
            let after = try await Self.plan(controller, failure)
            #expect(after.code == 0, "found well afterwards: \(after)")
            for text in failure.found { #expect(!Self.plain(after.output).contains(text), "\(after)") }
        }

        /// A kernel that can load the module it lacks is not to be had here, so `modinfo` and `modprobe` are scripts.
        private static let fixable = PreflightFailure(
            "a package that is not held, a module that is not loaded",
            "packages",
            on: ["worker2"],
            PreflightFailure.hiddenOverlay + """
                keep /etc/modules-load.d; rm -f /etc/modules-load.d/*; made /etc/modules-load.d/90-rollbook.conf
                echo 'echo /lib/modules/overlay.ko' | fake modinfo
                echo '[ "$1" != overlay ] || umount /proc/filesystems' | fake modprobe
                apt-mark -q unhold kubelet >/dev/null
                """,
            undo: "umount /proc/filesystems 2>/dev/null; apt-mark -q hold kubelet >/dev/null; :",
            finds: []
        )

        @Test("what a run mends stays mended after a restart, and a second run has nothing to do")
        func mends() async throws {
            let controller = try Controller()
            let scope = ["preflight", "--on", "worker2", "--only", "packages", "--only", "modules"]
            for host in RollingRunTests.hosts {
                try await Lab.here.shell(host, "rm -f /var/lib/rollbook-host/owner")
            }
            let state = "apt-mark showhold; cat /etc/modules-load.d/90-rollbook.conf"
            let outcome = await Result {
                try await Self.fixable.doBreak()
                let found = try await controller.process(["plan", "--check"] + scope).run()
                #expect(found.code == 3, "\(found)")
                for command in ["$ apt-mark hold kubelet", "$ modprobe overlay", "+ overlay"] {
                    #expect(found.output.contains(command), "\(found)")
                }
                let run = try await controller.process(["run", "--yes"] + scope).run()
                #expect(run.code == 0, "\(run)")
                let mended = try await Lab.here.shell("worker2", state)
                #expect(mended.contains("kubelet\n") && mended.contains("\noverlay\n"), "\(mended)")
                try await Lab.here.run("fault", "power", "off", "worker2")
                try await Lab.here.run("fault", "power", "on", "worker2")
                let after = try await controller.process(["plan", "--check"] + scope).run()
                #expect(after.code == 0 && after.output.contains("2 steps: 0 to do, 2 with nothing to do"), "\(after)")
                let second = try await controller.process(["run", "--yes"] + scope).run()
                #expect(second.code == 0, "\(second)")
                #expect(try await Lab.here.shell("worker2", state) == mended)
            }
            try await Self.fixable.mend()
            try await Lab.here.mend()
            try outcome.get()
        }

        @Test(
            "after all of it the whole of preflight finds nothing to do, and every one of its checks was made to fail"
        )
        func everything() async throws {
            let controller = try Controller()
            let before = ContinuousClock.now
            let plan = try await controller.rollbook("plan", "preflight", "--check")
            let time = ContinuousClock.now - before
            #expect(plan.code == 0 && plan.output.contains(" steps: 0 to do, "), "\(plan)")
            #expect(!plan.output.contains("BLOCKED"), "\(plan)")
            #expect(time < .seconds(30), "\(time) for seven hosts")
            let checks = Set(plan.output.matches(of: /preflight\.([a-z-]+)/).map { String($0.1) })
            #expect(checks.count == 21 && checks == Set(Self.cases.map(\.check)), "\(checks)")
        }
    }
}
