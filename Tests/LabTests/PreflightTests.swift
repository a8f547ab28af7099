import Foundation
import Testing

extension LabSuite {
    /// Checks made to fail for real on a host, found with their reason, mended, and found well after a restart.
    @Suite("preflight")
    struct PreflightTests {
        /// Keeps what a test breaks, and puts it back in every outcome.
        private func onBroken(_ host: String, _ script: String, _ body: () async throws -> Void) async throws {
            let kept = "fstab modules-load.d sysctl.d modules"
            _ = try await Lab.here.shell(host, "cd /etc; tar -cf /var/tmp/etc-before.tar $(ls -d \(kept) 2>/dev/null)")
            for host in RollingRunTests.hosts {
                _ = try await Lab.here.shell(host, "rm -f /var/lib/rollbook-host/owner")
            }
            let outcome = await Result {
                _ = try await Lab.here.shell(host, script)
                try await body()
            }
            _ = try await Lab.here.shell(
                host,
                """
                cd /etc; rm -rf modules-load.d sysctl.d; tar -xf /var/tmp/etc-before.tar; rm -f /var/tmp/etc-before.tar
                sysctl -q -w net.ipv4.ip_forward=1
                """
            )
            try outcome.get()
        }

        private func plan(_ controller: Controller, _ host: String) async throws -> Answer {
            try await controller.rollbook(
                "plan",
                "preflight",
                "--on",
                host,
                "--only",
                "swap",
                "--only",
                "modules",
                "--only",
                "sysctl",
                "--check"
            )
        }

        @Test(
            "swap and settings that are wrong now or would be at the next boot are found, mended, and stay mended"
        )
        func mends() async throws {
            let controller = try Controller()
            let broken = """
                printf '/swapfile\\tnone\\tswap\\tsw\\t0\\t0\\n# /other none swap sw 0 0\\n' >>/etc/fstab
                rm -f /etc/modules-load.d/*
                printf 'net.ipv4.ip_forward = 0\\n' >/etc/sysctl.d/zz-hardening.conf
                sysctl -q -w net.ipv4.ip_forward=0
                """
            try await onBroken("worker1", broken) {
                let found = try await plan(controller, "worker1")
                #expect(found.code == 3, "\(found)")
                for reason in [
                    "comment out 1 line of /etc/fstab", "- net.ipv4.ip_forward = 0",
                    "- /etc/sysctl.d/zz-hardening.conf sets net.ipv4.ip_forward = 0",
                ] {
                    #expect(found.output.contains(reason), "\(found)")
                }
                let run = try await controller.rollbook(
                    "run",
                    "preflight",
                    "--on",
                    "worker1",
                    "--only",
                    "swap",
                    "--only",
                    "modules",
                    "--only",
                    "sysctl",
                    "--yes"
                )
                #expect(run.code == 0, "\(run)")
                #expect(try await plan(controller, "worker1").code == 0, "found well afterwards")
                let fstab = try await Lab.here.shell("worker1", "cat /etc/fstab")
                #expect(fstab.contains("# rollbook: /swapfile\tnone\tswap") && fstab.contains("\n# /other none swap"))

                try await Lab.here.run("fault", "power", "off", "worker1")
                try await Lab.here.run("fault", "power", "on", "worker1")
                let after = try await plan(controller, "worker1")
                #expect(after.code == 0, "found well after a restart: \(after)")
                #expect(after.output.contains("3 steps: 0 to do, 3 with nothing to do"), "\(after)")
                let second = try await controller.rollbook(
                    "run",
                    "preflight",
                    "--on",
                    "worker1",
                    "--only",
                    "swap",
                    "--only",
                    "sysctl",
                    "--yes"
                )
                #expect(second.code == 0, "\(second)")
                #expect(try await Lab.here.shell("worker1", "cat /etc/fstab") == fstab)
            }
            try await Lab.here.mend()
        }

        @Test(
            "a file that has the last word behind Rollbook's own is a failure with the file's name, and nothing is changed"
        )
        func overridden() async throws {
            let controller = try Controller()
            let broken = "printf 'net/ipv4/ip_forward=0\\n' >/etc/sysctl.d/zzz-vendor.conf"
            try await onBroken("worker1", broken) {
                let junit = controller.folder.path + "/preflight.xml"
                let found = try await controller.rollbook(
                    "plan",
                    "preflight",
                    "--on",
                    "worker1",
                    "--only",
                    "sysctl",
                    "--junit",
                    junit
                )
                #expect(
                    found.output.contains("BLOCKED: /etc/sysctl.d/zzz-vendor.conf has the last word at boot"),
                    "\(found)"
                )
                #expect(
                    text(of: junit).contains("<failure type=\"blocked\" message=\"/etc/sysctl.d/zzz-vendor.conf has")
                )
                let run = try await controller.rollbook(
                    "run",
                    "preflight",
                    "--on",
                    "worker1",
                    "--only",
                    "sysctl",
                    "--yes"
                )
                #expect(run.code == 13, "\(run)")
                #expect(run.errors.contains("Next: mend or remove /etc/sysctl.d/zzz-vendor.conf"), "\(run)")
            }
        }

        @Test("an unknown check is refused with the ones there are")
        func unknown() async throws {
            let controller = try Controller()
            let answer = try await controller.rollbook("plan", "preflight", "--skip", "swp")
            #expect(answer.code == 2, "\(answer)")
            #expect(answer.errors.contains("did you mean 'swap'?"), "\(answer)")
            let none = try await controller.rollbook("plan", "nightly-backup", "--only", "swap")
            #expect(none.code == 2 && none.errors.contains("it has none"), "\(none)")
        }
    }
}
