"""Words that decide whether a word is a name: lists made by hand, lower case.

None of them is a list of names to look for. A name that is also such a word is still
redacted, but only where the words around it speak of a person.
"""

import builtins
import keyword


def words_of(text: str) -> frozenset[str]:
    """Return the words of a list."""
    return frozenset(text.split())


LANGUAGES = words_of("""
ada agda alice apl awk bash basic c chapel clojure cobol crystal csharp css curry dart delphi
eiffel elixir elm erlang euler fortran gleam go groovy haskell html idris io java javascript
jasmine julia jupyter kotlin latex linux lisp logo lua matlab max mercury miranda mojo nim node
numpy oberon ocaml octave opal oz pandas pascal perl php pony processing prolog pure python r
racket reason rebol red ruby rust sas scala scheme scratch sed self simula spring sql swift tex
unix vala vim vue windows zig
""")
"""Languages, tools and libraries: `Ruby says` speaks of none of the Rubies of a course."""

CODE_WORDS = LANGUAGES | words_of(
    " ".join([*keyword.kwlist, *keyword.softkwlist, *dir(builtins)]).lower()
)
"""Words that a program or a talk about programs uses."""

AMBIGUOUS = CODE_WORDS | words_of("""
able ace acre address admin agent air alpha amber an angel ant apple april arch archer area
arm arrow art ash asher aspen august aurora austin author autumn axis bacon bailey baker ball
band bank banks bar barber base bass bay bear beck bee bell berg berlin berry best beta beth bill
bin birch bird birds bishop black blade blake blank blaze block bloom blue bob bond book boole bow
bowman box brand branch brand brave bridge bridges brock brook brooks brown buck bud bug bull burn
bush butcher butler byte cane cannon cantor car carol carpenter carter case cash caster castle chad
chain chan chance chandler change chapel chapman char charge charity chase chelsea chen child
china christian church city clark class clay clean cliff cloud coast code cole collar collier con
constant cook cookie cooper copper core corn costa cotton court cove craft crane cross crow crown
cruz cuba curl cypress dag daisy dakota dale dallas dash dave dawn day days deacon dean dear deck
deep delta den denver destiny dev dick dim do dock dolly don double dove dragon drake draw drew
drive driver duck duke dune dusty eagle earl early east easy echo eddy eden edge ember
end english er ernest euclid eve ever express fair faith falcon fall fan farmer fast fern field
fields fin finch finder fire fish fisher fix flank fleming fleet fletcher flint floor florence
flower flowers floyd flynn ford forest forrest foster fountain fox frame france francis frank
franklin free freeman french frost fry fuller future gage gale game gap gardener gardner garland
gates gauss gem gene general genesis george georgia german germany giant gill glass glen gold golden
good goose grace grand grant grass graves gray green greene grey griffin grove guard guest guide
gun guy hail hale hall ham hammer han hand hang happy hard hardy harmony harp harper hart hash
haven hawk hay hayes haze hazel head healthy heap heart heath heather heaven hedge helm heron
hi hill hills ho hoare hogan holiday holland holly holmes home honey hood hook hope horn
hour house houston hudson huffman hung hunt hunter hurst hyde ice id in index india ink int iris
iron isle israel iter ivory ivy jack jacobi jade jaguar jan jar jasper java jay jazz jean jet jewel
job joe john jordan joule journey joy judge jules july jun june jung juniper just justice kay kelvin
kent kepler key keys kid king kings kit kitchen knight knot la lake lamb lambert lance land lane
lang laplace large lark last laurel law laws le leaf league lee leibniz len less li
liberty light lilly lily lim lime lin lincoln line link linus lion list little lo load lock lodge
log london long loop lord lotus love low lowe luck lucky luna lung lynch lynx ma mac madison maestro
magic magnolia mai maid main maker male mall man mann many map maple mar march marco mare marina
mark marker market markov marks mars marsh marshall mason master masters mat matrix
matt maxwell may mean means melody mercer mercy merge merit messenger mexico mi middle mike mile
miles mill miller mills min mine mini mint mister mo mode moon moral more morning
moss most mount mouse neon new newman newton nice nick nickel night no noble noel noon
norm norman north nova oak oakley ocean olive oliver olivia open orange order page pages pal palm
pan pang papa paris park parker parks pascal pass pat patch pate patience peace
peach peak pearl penn penny pepper perl perry petal phoenix pi piano
pierce pike pilot pine piper plain plant point pole pollard pond pony pool poor pope poppy port
porter pose post potter potts pound power powers president price prim prime prince prior
proper pun queen quick quill quinn rabbit rain raines ram ran rand randy range ranger rank
ravel raven ray read reader reed reeves reid rein rhodes rice rich richards rick ridge
riemann right riley ring rio rite river rivers road rob robin robot rock rocky rod roman rome romeo
root rosa rose round row royal rue rule rules rush rusty safe sage
sailor salt sam samples san sand sandy sara save sawyer say school scott script sea
see sender sergeant session set shade shannon sharp shaw she shell shepherd shift shin ship
shore short show sierra silver simple singer sky skye sloan small smart smith snow
so sol sole song sorrel south southern sparks spear speed spencer spin sport spring st stack stage
stamp standard star stark start state steel step sterling stern stone storm story strange
stream street string strong su sue sum summer summers sun sung sunny sydney tab tag tail tan
tang tanner tate tax taylor temple tenor test texas thorn thorne thread tiger time timer
tin to town tram trace track tree trent trinity trip troy true truth tucker turing
turner twin tyler underwood union unit van vance vault vector venus verity victor victoria vince
violet virginia von wade walker wall walls ward warden ware warner washington water waters
watt way wayne weaver web webb weber weeks wei welch well wells west wheeler white wide wild wilde
wiley will willow wills win winds wing winner winter winters wise wolf wolfe wood woods woody
word words wren wright yes york young yu zen zion zone
""")
"""Names that are also words, months, places, identifiers, or famous in mathematics."""

EPONYM = (
    r"algorithms?|approximation|automat(?:on|a)|bases|basis|bound|chains?|cipher|code|codes|coding"
    r"|coefficients?|conjecture|constant|criterion|curves?|cycles?|decomposition|diagrams?|distance"
    r"|distributions?|equations?|factorization|fields?|filters?|flow|formula|functions?|graphs?"
    r"|heaps?|identity|index|inequality|integral|kernel|laws?|lemma|machines?|matrix|matrices"
    r"|methods?|models?|moduli|normal form|numbers?|orthogonali[sz]ation|paradox|polynomials?"
    r"|primality|principle|problem|process|razor|recurrence|rules?|scheme|search|sequences?|series"
    r"|sets?|sieve|sort|space|spaces|statistics|sums?|test|theorem|transforms?|trees?|triangle"
    r"|trick|trie|variables?"
)
"""What is named after people: `Petersen graph` is no one of the course."""

NEVER_NAMES = words_of("""
a about after again all also am an and android another any anyone anybody apple are array as ask
assignment at aws azure bash because before bit both boolean bot but by can chapter chatgpt chrome
class claude code colab computer could course data database day december dear debug did do docker
does done during each eclipse either english error even every everybody everyone excel exception
excuse false february file final first flask folks for friday friends from function gemini git
github good google great guys had has have he hello help her here hey hi his homework how however i
if in input instead intel into is it its jetbrains just last let linux list looking loop mac machine
maybe me merry method microsoft monday most my mysql never next nice no node none not nothing
november now null october ok okay on once one only opencv openai or oracle our out output over
people please postgres postman print problem professor program project question quick react regards
saturday second see september she since sir so some someone somebody sorry spring stack still string
student sunday sure system ta teacher team terminal test thank thanks that the their them then there
these they thing things this those thursday today to tomorrow too true try trying tuesday tutor two
type ubuntu unfortunately until up update us user using value variable version very visual was we
wednesday week welcome well were what when where which while who why windows with word world would
xcode yes yesterday you your zoom
algorithm assert assertion bellman binary breadth bubble bucket builder button byte cache client
compiler constructor counting default depth double dynamic element error factory fast field
file float garbage graph hash heap insertion integer interface interpreter iterator kernel key
library linked list load local long loop map max merge method min module node null object observer
open package parent parser pattern pivot pointer priority queue quick radix recursion root search
selection server shell singleton sort source stack store struct summer sudoku table thread
token tower tree type unit value variable vector window
actually additionally alternatively appendix assignments basically besides brief chapter consider
currently day dear die example exercise fig figure finally first firstly follow group hence hint
homework idea input instructions lab level linear make me meanwhile moreover namely new next note
option otherwise output page paragraph part phase plan policy practice previously puzzle quiz read
red rule sample secondly section segment similarly specifically stage step table tag task then
therefore thus tip title topic track type unit usually version vitamin week write
artificial binary business calculus chemistry cloud cyber deep discrete economics engineering fine
general graduate hugging human kernel level machine math mathematics mechanical medical mobile
natural neural operating outlook physics power quantum random raspberry spanish french german
italian european american british canadian indian chinese japanese statistical stochastic teams
web wikipedia youtube facebook instagram twitter netflix amazon adobe nvidia pytorch tensorflow
keras django fastapi numpy pandas jupyter eclipse kaggle leetcode coursera udemy moodle canvas
piazza gradescope discord slack reddit quora medium notion trello jira gitlab bitbucket heroku
firebase mongo mongodb redis kafka spark hadoop airflow kubernetes jenkins maven gradle bootstrap
tailwind angular svelte flutter unity unreal godot arduino excel powerpoint
academy agency api app application archive association award awards bank board book center centre
college committee company conference corporation corp council department directory division engine
exam foundation framework group hall history hospital inc industries institute international island
journal lab laboratory language lecture library license llc ltd magazine management manual model
museum office orchestra organization overflow park party platform press project protocol records
research review river school science sciences series service services shop simulator society
software solutions standard state station store street studio studios support theatre theory tool
toolkit tutorial tutorials university valley
""")
"""Capitalised words that stand where a name could: openings, days, tools, institutions."""

PUBLIC_FIGURES = words_of("""
turing knuth dijkstra rossum torvalds ritchie kernighan stroustrup gosling hopper lovelace
babbage shannon neumann gödel godel euclid euler gauss newton einstein leibniz fermat
fibonacci bayes markov bernoulli huffman hoare tarjan sedgewick cormen leiserson rivest shamir
adleman diffie hellman merkle berners-lee musk zuckerberg wozniak stallman carmack
eich matsumoto odersky hejlsberg wirth mccarthy minsky hinton lecun bengio karpathy
hawking darwin shakespeare
""")
"""Surnames of lectures and textbooks, left alone where no record lists them."""

SHARED_ACCOUNTS = words_of("""
admin administrator all anonymous app appuser build circleci codespace coder debian default deploy
dev developer docker ec2-user example github gitpod guest home jenkins jovyan linuxbrew me myname
mysql name nobody node owner pi postgres public root runner runneradmin service shared student
students system test tmp travis ubuntu user username users vagrant vscode work workspace you
yourname your-name your_name yourusername your-username xxx
""")
"""Folders of a home directory that name nobody."""
