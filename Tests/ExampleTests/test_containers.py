"""The Dockerfiles and the compose file as far as they can be checked without a container engine: what they name is
there, what they set is known, and the shell of their RUN lines parses."""

import fnmatch
import glob
import json
import os
import re
import shutil
import subprocess
import unittest

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
EXAMPLES = os.path.join(ROOT, "Examples")
KNOWN = {"FROM", "RUN", "COPY", "ARG", "ENV", "EXPOSE", "USER", "WORKDIR", "ENTRYPOINT", "STOPSIGNAL"}


def read(*path):
    with open(os.path.join(ROOT, *path)) as file:
        return file.read()


def instructions(path):
    """Pairs of instruction and rest, continued lines joined."""
    lines = [line for line in read(path).splitlines(keepends=True) if not line.startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "".join(lines))
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def is_ignored(path):
    patterns = [line for line in read(".dockerignore").splitlines() if line and not line.startswith("#")]
    return any(fnmatch.fnmatch(part, pattern.removeprefix("**/")) for pattern in patterns for part in path.split("/"))


class Dockerfiles(unittest.TestCase):
    def files(self):
        found = sorted(glob.glob(os.path.join(EXAMPLES, "Dockerfile*")))
        self.assertEqual([os.path.basename(path) for path in found], ["Dockerfile", "Dockerfile.sluice"])
        return [(path, instructions(path)) for path in found]

    def test_instructions_stages_and_sources(self):
        for path, lines in self.files():
            with self.subTest(path):
                self.assertLessEqual({name for name, _ in lines}, KNOWN)
                stages = [rest.split(" AS ")[-1] for name, rest in lines if name == "FROM"]
                for name, rest in lines:
                    if name == "FROM":
                        self.assertRegex(rest, r"^[a-z]+:\S+", "an image without a tag is another one tomorrow")
                    if name == "COPY":
                        words = rest.split()
                        if words[0].startswith("--from="):
                            self.assertIn(words[0].removeprefix("--from="), stages)
                            continue
                        for source in words[:-1]:
                            self.assertTrue(os.path.exists(os.path.join(ROOT, source)), source)
                            self.assertFalse(is_ignored(source), f"{source} is in .dockerignore")
                last = [index for index, (name, _) in enumerate(lines) if name == "FROM"][-1]
                self.assertIn("USER", [name for name, _ in lines[last:]], "services need not be root")

    def test_the_manifests_need_nothing_that_is_not_copied(self):
        for path, lines in self.files():
            copied = {word for name, rest in lines if name == "COPY" and "--from" not in rest for word in rest.split()[:-1]}
            folders = set(re.findall(r'path: "(\w+)/', read("Package.swift")))
            self.assertLessEqual(folders | {"Sources", "Tests"}, copied, path)
        self.assertTrue(is_ignored("Examples/.build"), "the host's build must not get into the image's")

    def test_run_lines_parse_and_products_exist(self):
        products = set(re.findall(r'executableTarget\(\s*name: "(\w+)"', read("Examples", "Package.swift"))) | {"sluice"}
        for path, lines in self.files():
            default = next((rest.split("=")[1] for name, rest in lines if name == "ARG"), None)
            for name, rest in lines:
                if name != "RUN":
                    continue
                subprocess.run(["bash", "-n", "-c", rest], check=True)
                for product in re.findall(r"--product (\S+)", rest):
                    self.assertIn(default if "SERVICE" in product else product, products)

    @unittest.skipUnless(shutil.which("apt-cache"), "no apt here")
    def test_packages_are_debians(self):
        if "bookworm" not in read("/etc/os-release"):
            self.skipTest("the images are Debian 12's, this machine is not")
        packages = set()
        for _, lines in self.files():
            for rest in [rest for name, rest in lines if name == "RUN"]:
                for part in re.findall(r"apt-get install(?: -\S+)*((?: +[a-z0-9][a-z0-9.+-]*)+)", rest):
                    packages.update(part.split())
        self.assertGreater(len(packages), 10)
        shown = subprocess.run(["apt-cache", "show", *packages], capture_output=True, text=True).stdout
        self.assertLessEqual(packages, set(re.findall(r"^Package: (\S+)$", shown, re.M)))


class Compose(unittest.TestCase):
    def setUp(self):
        self.file = yaml.safe_load(read("Examples", "compose.yaml"))
        self.services = self.file["services"]

    def test_what_it_names_is_there(self):
        for name, service in self.services.items():
            self.assertTrue("build" in service or ":" in service["image"], name)
            if "build" in service:
                context = os.path.join(EXAMPLES, service["build"]["context"])
                self.assertTrue(os.path.exists(os.path.join(context, service["build"]["dockerfile"])), name)
            self.assertLessEqual(set(service.get("depends_on", [])), set(self.services))
            for other, rule in service.get("depends_on", {}).items():
                if rule["condition"] == "service_healthy":
                    self.assertIn("healthcheck", self.services[other])
            for volume in service.get("volumes", []):
                self.assertIn(volume.split(":")[0], self.file["volumes"])

    def test_its_variables_are_documented_and_read(self):
        documented = read("docs", "services.md")
        paths = glob.glob(os.path.join(EXAMPLES, "Sources", "**", "*.swift"), recursive=True)
        source = "".join(read(path) for path in paths)
        for name in ("orders", "catalogs"):
            for variable in self.services[name]["environment"]:
                stem = re.sub(r"_(URL|USER|PASSWORD)$", "", variable)
                self.assertIn(stem, documented)
                self.assertTrue(f'"{variable}"' in source or f'"{stem}"' in source, variable)

    def test_the_sink_writes_where_orders_reads(self):
        config = json.loads(re.search(r"-d '(\{.*\})'", read("Examples", "register-sink.sh"), re.S).group(1))["config"]
        orders = self.services["orders"]["environment"]
        self.assertEqual(config["connection.url"], orders["ORDERS_READ_DATABASE_URL"])
        self.assertEqual(config["connection.password"], orders["ORDERS_READ_DATABASE_PASSWORD"])
        self.assertEqual(config["connection.password"], self.services["mariadb"]["environment"]["MARIADB_ROOT_PASSWORD"])
        self.assertIn(f"jdbc:mariadb://mariadb:3306/{self.services['mariadb']['environment']['MARIADB_DATABASE']}",
                      {config["connection.url"], self.services["catalogs"]["environment"]["DATABASE_URL"]})


if __name__ == "__main__":
    unittest.main(verbosity=2)
